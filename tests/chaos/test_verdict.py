"""The auditor finds what is wrong: a run without fault, then with each fault put into it."""

from dataclasses import fields, replace

import pytest

from tests.chaos.effects import BEGAN, PUBLISHED
from tests.chaos.plans import Plan
from tests.chaos.receiver import Arrival
from tests.chaos.verdict import BROKEN, Evidence, Verdict, judge

JOB, A, B = 7, 70, 71
URL = "http://127.0.0.1:9/hook"
CALLS = [("a", "start"), ("a", "complete"), ("b", "start"), ("b", "complete"), ("", "end")]
TASKS = {"a": A, "b": B, "": B}


def plan(**fields):
    given = {"client": "red", "workflow": "chaos_two", "seconds": [0, 0], "failures": [0, 0]}
    rest = {"child": False, "urls": [URL], "priority": 5, "job_id": JOB}
    return Plan(key="job-1", **{**given, **rest, **fields})


def arrival(name, event, **fields):
    given = Arrival(URL, f"{name}-{event}", JOB, TASKS[name] if name else 0, name, event)
    return replace(given, **fields)


def effect(task, attempt, kind):
    return {"job": JOB, "task": task, "attempt": attempt, "kind": kind}


def seen(**fields):
    """A job of two tasks that went well, its first task in two attempts."""
    well = Evidence(
        plans={JOB: plan()},
        jobs=[{"id": JOB, "state": 2, "failed": False}],
        tasks=[
            {"id": A, "job_id": JOB, "name": "a", "state": 3},
            {"id": B, "job_id": JOB, "name": "b", "state": 3},
        ],
        callbacks=[
            {"job_id": JOB, "url": URL, "webhook_id": f"{name}-{event}", "number": number}
            for number, (name, event) in enumerate(CALLS, 1)
        ],
        moves=[{"job_id": JOB, "before": 0, "after": 1}, {"job_id": JOB, "before": 1, "after": 2}],
        admissions=[{"job_id": JOB, "before": 0}],
        written_plans=[{"job_id": JOB, "tx": 1}],
        effects=[
            effect(A, 1, BEGAN),
            effect(A, 2, BEGAN),
            effect(A, 2, PUBLISHED),
            effect(B, 1, BEGAN),
            effect(B, 1, PUBLISHED),
        ],
        arrivals=[arrival(*call) for call in CALLS],
    )
    return replace(well, **fields)


def wrong(evidence):
    """Which figures are not 0."""
    verdict = judge(evidence)
    return {one.name for one in fields(Verdict) if getattr(verdict, one.name)}


def state_of(job=2, task=3, *, failed=False):
    return {
        "jobs": [{"id": JOB, "state": job, "failed": failed}],
        "tasks": [
            {"id": A, "job_id": JOB, "name": "a", "state": 3},
            {"id": B, "job_id": JOB, "name": "b", "state": task},
        ],
    }


def test_a_run_that_went_well_is_without_fault():
    assert wrong(seen()) == set()


def test_what_arrives_again_is_no_fault():
    again = [arrival(*call) for call in CALLS]
    assert wrong(seen(arrivals=[*again[:3], again[2], again[0], *again[3:], *again])) == set()


@pytest.mark.parametrize(
    "broken",
    [
        {"jobs": []},
        state_of(job=1),
        state_of(job=2, task=1),
        {"effects": seen().effects[:-1]},
        {"plans": {JOB: plan(workflow="chaos_four", failures=[0] * 4, seconds=[0] * 4)}},
        {"plans": {JOB: plan(failures=[0, 99])}},
    ],
)
def test_a_job_that_does_not_end_as_promised_is_lost(broken):
    assert "lost" in wrong(seen(**broken))


def test_a_job_that_failed_unasked_is_lost():
    assert "lost" in wrong(seen(**state_of(task=4, failed=True)))


@pytest.mark.parametrize(
    "broken",
    [
        {"admissions": seen().admissions * 2},
        {"admissions": [{"job_id": JOB, "before": 1}]},
        {"written_plans": [{"job_id": JOB, "tx": 1}, {"job_id": JOB, "tx": 2}]},
        {"doubles": ["job-1 made the jobs 7 and 8"]},
        {"jobs": [*seen().jobs, {"id": 8, "state": 2, "failed": False}]},
    ],
)
def test_a_second_admission_is_seen(broken):
    assert wrong(seen(**broken)) == {"admitted_twice"}


def test_a_resumed_job_may_be_admitted_again():
    moves = [*seen().moves, {"job_id": JOB, "before": 6, "after": 0}]
    assert wrong(seen(moves=moves, admissions=seen().admissions * 2)) == set()


@pytest.mark.parametrize(
    ("kind", "figure"), [("slots", "slot_violations"), ("stale", "stale_writes")]
)
def test_what_the_triggers_saw_counts(kind, figure):
    case = {"kind": kind, "job_id": JOB, "task_id": A, "what": "so", "process": "a1"}
    assert wrong(seen(violations=[case])) == {figure}


def test_an_older_attempt_that_publishes_is_stale():
    effects = [*seen().effects, effect(A, 1, PUBLISHED)]
    assert wrong(seen(effects=effects)) == {"stale_writes"}


@pytest.mark.parametrize("missing", range(len(CALLS)))
def test_a_callback_that_never_arrived_is_missing(missing):
    rest = [arrival(*call) for number, call in enumerate(CALLS) if number != missing]
    assert "callbacks_missing" in wrong(seen(arrivals=rest))


def test_a_stopped_job_owes_its_end_alone():
    stopped = seen(
        plans={JOB: plan(tampering="break")},
        arrivals=[arrival("a", "start"), arrival("", "end", webhook_id="a-complete")],
        **state_of(job=BROKEN, task=5),
    )
    assert wrong(stopped) == set()
    assert wrong(replace(stopped, arrivals=stopped.arrivals[:1])) == {"callbacks_missing"}


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2), (3, 4)])
def test_callbacks_out_of_order(first, second):
    swapped = list(CALLS)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    arrivals = [arrival(*call) for call in swapped]
    assert wrong(seen(arrivals=arrivals)) == {"callbacks_out_of_order"}
    # By what comes before what, even if the engine numbered them so.
    numbered = [
        {"job_id": JOB, "url": URL, "webhook_id": f"{name}-{event}", "number": number}
        for number, (name, event) in enumerate(swapped, 1)
    ]
    assert wrong(seen(arrivals=arrivals, callbacks=numbered)) == {"callbacks_out_of_order"}


def test_an_event_with_two_ids_and_one_for_nobody_are_out_of_order():
    arrivals = [arrival(*call) for call in CALLS]
    assert wrong(seen(arrivals=[*arrivals, arrival("a", "start", webhook_id="another")])) == {
        "callbacks_out_of_order"
    }
    stray = arrival("a", "start", url="http://127.0.0.1:9/other")
    assert wrong(seen(arrivals=[*arrivals, stray])) == {"callbacks_out_of_order"}
