"""Receivers and gates that bring about errors which nobody expects, by virtual times."""

import httpx
import pytest
import trio

from taskengine.model import JobState
from taskengine.testing.virtual import instance, receiver, workflow

ODD = [
    RuntimeError("a bug"),
    AssertionError(),
    ExceptionGroup("of a nursery", [KeyError("odd")]),
]


def refusing(error, host):
    """A receiver; what is sent to this host ends in an error."""

    def answer(request):
        if request.url.host == host:
            raise error
        return httpx.Response(200)

    return answer


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_an_error_that_nobody_expects_is_a_failed_try(
    memory_store, autojump_clock, caplog, error
):
    heard = []
    http = receiver(heard, refusing(error, "odd.test"))
    async with instance(memory_store, http=http) as engine:
        for _ in range(10):  # more than a courier has restarts
            await engine.submit(workflow("only"), urls=("http://odd.test/", "http://good.test/"))
        await trio.sleep(30)
        [odd, *_] = await memory_store.callbacks(1)
    good = [request for _, request in heard if request.url.host == "good.test"]
    assert len(good) == 10 * 3
    assert (odd.state, odd.attempts) == ("waiting", 2)
    assert odd.error.startswith(type(error).__name__)
    assert "cannot be sent" in caplog.text
    assert "crashed" not in caplog.text


@pytest.mark.parametrize(
    "error", [*ODD, UnicodeError("odd")], ids=lambda error: type(error).__name__
)
async def test_a_gate_whose_error_nobody_expects_is_closed(
    memory_store, autojump_clock, caplog, error
):
    http = receiver([], refusing(error, "odd.test"))
    async with instance(memory_store, http=http) as engine:
        odd = [
            await engine.submit(workflow("only"), semaphore_url="http://odd.test/")
            for _ in range(10)
        ]
        good = await engine.submit(workflow("only"), semaphore_url="http://good.test/")
        await trio.sleep(30)
        states = [(await engine.job(job_id)).job.state for job_id in (*odd, good)]
        lines = await engine.lines(odd[0])
    assert states == [JobState.SCHEDULED] * 10 + [JobState.COMPLETED]
    assert ("scheduler", f"The gate is closed: {type(error).__name__}") in lines
    assert "crashed" not in caplog.text


async def test_a_delivery_that_is_untidy_when_it_is_cancelled_crashes_nobody(
    memory_store, autojump_clock, caplog
):
    heard = []

    async def untidy(request):
        heard.append(request)
        if len(heard) > 1:
            return httpx.Response(200)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise RuntimeError("untidy")

    http = httpx.AsyncClient(transport=httpx.MockTransport(untidy))
    async with instance(memory_store, http=http) as engine:
        await engine.submit(workflow("only"), urls=("http://a.test/",))
        await trio.sleep(1)
        engine.engine.state.disown()
        await trio.sleep(60)
        log = await memory_store.callbacks(1)
    assert [one.state for one in log] == ["delivered"] * 3
    assert "left unfinished" in caplog.text
    assert "crashed" not in caplog.text
