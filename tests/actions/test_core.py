from types import SimpleNamespace
from typing import cast
from uuid import RFC_4122, UUID

import pytest
import trio

from taskengine.actions import Context, find_actions
from taskengine.actions.core import FailedAsAsked
from taskengine.model import PermanentFailure

ACTIONS = find_actions()


class Reports:
    """A context that keeps what an action reports, with the time."""

    def __init__(self, failures=0):
        self.progress = []
        attempt = SimpleNamespace(task=SimpleNamespace(failures=failures))
        self.context = cast(Context, SimpleNamespace(attempt=attempt, progress=self.report))

    async def report(self, fraction):
        self.progress.append((trio.current_time(), fraction))


async def test_noop_does_nothing():
    assert await ACTIONS["core.noop"](Reports().context, {}) is None


async def test_sleep_reports_progress_each_second(autojump_clock):
    reports = Reports()
    assert await ACTIONS["core.sleep"](reports.context, {"seconds": 2.5}) is None
    assert trio.current_time() == 2.5
    assert reports.progress == [(1, 0.4), (2, 0.8), (2.5, 1)]


@pytest.mark.parametrize("seconds", [0, -1])
async def test_sleep_of_no_time_is_over_at_once(autojump_clock, seconds):
    await ACTIONS["core.sleep"](Reports().context, {"seconds": seconds})
    assert trio.current_time() == 0


async def test_sleep_ends_when_it_is_cancelled(autojump_clock):
    reports = Reports()
    with trio.move_on_after(3.5) as cancelled:
        await ACTIONS["core.sleep"](reports.context, {"seconds": 3600})
    assert cancelled.cancelled_caught
    assert trio.current_time() == 3.5
    assert len(reports.progress) == 3


async def test_fail_fails_that_many_attempts_then_succeeds():
    for failures in (0, 1):
        with pytest.raises(FailedAsAsked, match=r"^on purpose$"):
            await ACTIONS["core.fail"](
                Reports(failures).context, {"message": "on purpose", "times": 2}
            )
    assert await ACTIONS["core.fail"](Reports(2).context, {"times": 2}) == {"failures": 2}


@pytest.mark.parametrize("values", [{}, {"times": None}])
async def test_fail_without_a_number_fails_always(values):
    with pytest.raises(FailedAsAsked):
        await ACTIONS["core.fail"](Reports(99).context, values)


async def test_a_wrong_argument_is_no_reason_to_try_again():
    with pytest.raises(PermanentFailure, match="seconds"):
        await ACTIONS["core.sleep"](Reports().context, {"seconds": "soon"})


def test_guids_of_names_derive_from_the_key_and_look_random():
    """Rule 16: the same for every attempt, another for a rerun and for another file."""
    made = [Context.guid(SimpleNamespace(key=key), of) for key in ("7-9", "8-11") for of in "abc"]
    assert made == [
        Context.guid(SimpleNamespace(key=key), of) for key in ("7-9", "8-11") for of in "abc"
    ]
    assert len(set(made)) == 6
    assert {(UUID(one).version, UUID(one).variant) for one in made} == {(4, RFC_4122)}
