"""When a job is expected to start: from a view of the queue, and in words."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from taskengine.fair_shares import Shares
from taskengine.jobs.expected_start import expected_start, obstacle
from taskengine.jobs.explanation import Slots, WaitingState
from taskengine.jobs.forecast import (
    ForecastHits,
    QueueView,
    RunningJob,
    foretold,
    is_right,
)
from taskengine.model import Job, JobState
from taskengine.pauses import Pause, PauseKind
from taskengine.policy import UNBOUND, Band, Settings
from tests.conftest import NOON


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def job(number, created=0.0, **more):
    given = {
        "client": "acme",
        "workflow": "film",
        "state": JobState.QUEUED,
        "failed": False,
        "priority": 5,
        "position": 1,
        "top_of_queue": False,
        "created_at": at(created),
        "updated_at": at(created),
        "run_at": at(min(created, 0)),
    }
    return Job(id=number, **{**given, **more})


def view(*first, ran=60.0, system=None, **more):
    """Two slots, taken by jobs that began at the same time; `ran` is how long those before did."""
    running = [RunningJob("acme", Band.HIGH, "film", NOON)] * 2
    given = {
        "taken": Counter({("acme", Band.HIGH): 2}),
        "running": running,
        "run_times": {"film": [ran] * 9},
    }
    limits = system or Settings(max_jobs=2)
    parts = {"first": first, "length": len(first), **given, **more}
    return QueueView(NOON, limits, parts.pop("clients", {}), **parts)


def seconds(forecast):
    return (forecast.start_at - NOON).total_seconds()


def test_a_job_starts_when_those_before_it_have_been_through_the_slots():
    line = [job(number, number) for number in range(1, 8)]
    found = [foretold(view(*line), one) for one in line]
    assert [seconds(one) for one in found] == [60, 60, 120, 120, 180, 180, 240]
    assert [one.ahead for one in found] == list(range(7))


def test_what_runs_has_only_the_rest_of_its_time_before_it():
    running = [RunningJob("acme", Band.HIGH, "film", at(-40)), RunningJob("acme", 1, "film", NOON)]
    assert seconds(foretold(view(job(1), running=running), job(1))) == 20


def test_a_sample_stands_for_all_that_wait():
    first = [job(1, 1), job(2, 2)]
    sample = [job(number, number) for number in range(10, 90, 20)]
    seen = view(*first, sample=[*first, *sample], length=402)
    assert (seen.behind, seen.copies) == (sample, 100)
    forecast = foretold(seen, job(99, 99))
    assert (forecast.ahead, seconds(forecast)) == (402, 60 * (1 + 402 / 2))
    assert seconds(foretold(seen, job(3, 3))) == 120


def test_of_a_queue_that_is_too_thin_for_a_sample_only_the_first_jobs_are_told():
    seen = view(job(1, 1), job(2, 2), length=50_000)
    assert seconds(foretold(seen, job(2, 2))) == 60
    assert foretold(seen, job(9, 9)) is None


def test_what_came_in_the_last_hour_with_a_better_priority_comes_again():
    waits = job(5, priority=9)
    came = [job(-number, -600 * number, priority=1) for number in range(1, 6)]
    quiet, busy = view(waits, ran=1200), view(waits, ran=1200, came=came)
    assert (seconds(foretold(quiet, waits)), foretold(quiet, waits).ahead) == (1200, 0)
    # Both slots are free at 1200 s: for it, and for the one that comes 1200 s after noon.
    assert seconds(foretold(busy, waits)) == 1200
    longer = view(job(4, 0, priority=8), job(3, 0, priority=8), waits, ran=1200, came=came)
    assert seconds(foretold(replace(longer, came=()), waits)) == 2400
    assert seconds(foretold(longer, waits)) == 8400  # three in four slots go to those that come


def test_who_is_overtaken_for_ever_is_told_no_time():
    waits = job(5, 0, priority=9)
    came = [job(-number, -10 * number, priority=1) for number in range(1, 300)]
    ahead = [job(number, 0, priority=2) for number in range(10, 30)]
    assert foretold(view(*ahead, waits, ran=3000, came=came), waits) is None


def test_of_a_workflow_that_nobody_ran_jobs_last_as_others_do():
    assert seconds(foretold(view(job(1, workflow="new")), job(1, workflow="new"))) == 60
    assert foretold(view(job(1), run_times={}), job(1)) is None


def test_a_scheduled_job_starts_after_its_time():
    later = job(1, run_at=at(500), state=JobState.SCHEDULED)
    assert seconds(foretold(view(coming=[later]), later)) == 500


def test_where_slots_are_shared_a_client_served_less_goes_first():
    flood = [job(number, number - 100) for number in range(1, 50)]
    one = job(99, -1, client="beta")
    shared = view(*flood, one, shares=Shares({"": 1}))
    assert seconds(foretold(view(*flood, one), one)) == 60 * 25
    assert seconds(foretold(shared, one)) == 60


@pytest.mark.parametrize(
    ("foretold_in", "started_in", "right"),
    [(100, 120, True), (100, 126, False), (100, 84, True), (100, 80, False), (0, 2, True)],
)
def test_a_forecast_is_right_within_a_fifth_of_the_wait(foretold_in, started_in, right):
    assert is_right(NOON, at(foretold_in), at(started_in)) is right


def waiting(one, **more):
    free = Slots(Settings(max_jobs=2))
    return WaitingState(one, free, Slots(UNBOUND), **more)


PAUSES = [
    (Pause(kind, name, NOON, "root"), f"the {kind} {name} is paused")
    for kind, name in [
        (PauseKind.CLIENT, "acme"),
        (PauseKind.WORKFLOW, "film"),
        (PauseKind.QUEUE, "work"),
        (PauseKind.INSTANCE, "host"),
    ]
]


@pytest.mark.parametrize(
    ("state", "more", "told"),
    [
        (JobState.PAUSED, {}, "it is paused"),
        (JobState.PENDING, {"parents": [3]}, "it waits for other jobs to complete"),
        (JobState.PENDING, {}, "it waits for the end of the job that it runs again"),
        (
            JobState.SCHEDULED,
            {"queues_due": False},
            "the schedule queue_scheduled_jobs is switched off",
        ),
        *((JobState.QUEUED, {"pauses": [pause]}, told) for pause, told in PAUSES),
        (JobState.QUEUED, {"system": Slots(Settings(max_jobs=0))}, "max_jobs of the system is 0"),
        (JobState.QUEUED, {"client": Slots(Settings(max_jobs=0))}, "max_jobs of client acme is 0"),
        (JobState.QUEUED, {}, None),
        (JobState.SCHEDULED, {}, None),
    ],
)
def test_what_ends_at_a_time_that_nobody_knows_is_named(state, more, told):
    assert obstacle(replace(waiting(job(1, state=state)), **more), NOON) == told


def test_a_gate_that_is_not_open_is_named():
    gated = job(1, state=JobState.SCHEDULED, semaphore_url="http://gate.test")
    assert obstacle(waiting(gated), NOON) == "it waits for its gate to open"
    assert obstacle(waiting(replace(gated, gate_open=True)), NOON) is None


def test_a_start_is_told_with_how_often_forecasts_were_right():
    line = [job(number, number) for number in range(1, 8)]
    told = expected_start(waiting(line[6]), None, view(*line), ForecastHits(50, 41))
    assert told == {
        "at": "2031-02-01T12:04:00.000Z",
        "ahead": 6,
        "message": "It is expected to start in about 4 minutes, after 6 other jobs. 82% of the last"
        " 50 such forecasts were right, to within 20% of the wait.",
        "forecasts": {"judged": 50, "right": 41, "share": 0.82},
    }


@pytest.mark.parametrize(
    ("hindered", "seen", "told"),
    [
        ("it is paused", None, "it is paused"),
        (None, view(run_times={}), "no job has ended lately from which to tell how long jobs last"),
        (
            None,
            view(clients={"acme": Settings(max_jobs=0)}),
            "too many jobs go before it, or come that do",
        ),
    ],
)
def test_where_nobody_can_tell_the_reason_is_told_in_place_of_a_time(hindered, seen, told):
    answer = expected_start(waiting(job(1)), hindered, seen, ForecastHits())
    assert (answer["at"], answer["ahead"]) == (None, None)
    assert answer["message"] == f"Nobody can tell when it starts: {told}."
    assert answer["forecasts"] == {"judged": 0, "right": 0, "share": None}
