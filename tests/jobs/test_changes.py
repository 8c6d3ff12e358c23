"""What an update makes of a job, state by state (A19)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from taskengine.jobs.changes import UPDATABLE, asked_anew, changed, placed
from taskengine.jobs.fields import READERS
from taskengine.model import FINAL_STATES, BadInput, Job, JobState
from tests.conftest import NOON

LATER = NOON + timedelta(hours=1)
GATE = "http://gate.test"
PENDING, SCHEDULED, QUEUED = JobState.PENDING, JobState.SCHEDULED, JobState.QUEUED
STARTED, PAUSED, BROKEN = JobState.STARTED, JobState.PAUSED, JobState.BROKEN
LIVE = [state for state in JobState if not state.is_final]


def job(state, **fields):
    times = dict.fromkeys(("created_at", "updated_at", "run_at"), NOON)
    job = Job(1, "acme", "demo", state, False, 5, 1, False, **times)
    return replace(job, **fields)


def ask(before, *, waits=False, now=NOON, **changes):
    return changed(before, changes, waits=waits, now=now)


REACHED = {  # before: what asking for paused, broken and queued makes of it; None: refused
    PENDING: (PAUSED, BROKEN, None),
    SCHEDULED: (PAUSED, BROKEN, QUEUED),
    QUEUED: (PAUSED, BROKEN, QUEUED),
    STARTED: (PAUSED, BROKEN, None),
    PAUSED: (PAUSED, BROKEN, QUEUED),
    JobState.COMPLETED: (None, None, None),
    BROKEN: (None, None, None),
}


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("asked", JobState)
def test_every_state_that_may_be_asked_for(before, asked):
    reached = dict(zip((PAUSED, BROKEN, QUEUED), REACHED[before], strict=True)).get(asked)
    if reached is None:
        with pytest.raises(BadInput):
            ask(job(before), queue_state=asked)
    else:
        after = ask(job(before), queue_state=asked, now=LATER)
        assert after == job(reached, updated_at=LATER)


VALUES = {
    "run_at": LATER,
    "semaphore_url": GATE,
    "priority": 1,
    "position": 9,
    "top_of_queue": True,
    "persist": True,
}
MOVED = {  # by a later time or a new gate; None: refused
    PENDING: PENDING,
    SCHEDULED: SCHEDULED,
    QUEUED: SCHEDULED,
    STARTED: None,
    PAUSED: PAUSED,
}


@pytest.mark.parametrize("before", LIVE)
@pytest.mark.parametrize("name", VALUES)
def test_every_field_in_every_state(before, name):
    reached = MOVED[before] if name in ("run_at", "semaphore_url") else before
    if reached is None:
        with pytest.raises(BadInput, match=f"{name}: the job has started already"):
            ask(job(before), **{name: VALUES[name]})
    else:
        after = ask(job(before), **{name: VALUES[name]})
        assert after == replace(job(reached), **{name: VALUES[name]})


@pytest.mark.parametrize("over", FINAL_STATES)
@pytest.mark.parametrize("name", VALUES)
def test_what_is_over_is_final(over, name):
    with pytest.raises(BadInput, match=f"the job is {over.label}"):
        ask(job(over), **{name: VALUES[name]})


@pytest.mark.parametrize("state", JobState)
def test_no_field_at_all_is_refused(state):
    with pytest.raises(BadInput):
        ask(job(state))


@pytest.mark.parametrize(
    ("fields", "waits", "state"),
    [
        ({}, False, QUEUED),
        ({}, True, PENDING),
        ({"run_at": LATER}, False, SCHEDULED),
        ({"run_at": LATER}, True, PENDING),
        ({"semaphore_url": GATE}, False, SCHEDULED),
        ({"semaphore_url": GATE, "gate_open": True}, False, QUEUED),
        ({"semaphore_url": GATE, "gate_open": True, "run_at": LATER}, False, SCHEDULED),
    ],
)
def test_a_job_waits_where_a_submission_would_put_it(fields, waits, state):
    paused = job(PAUSED, **fields)
    assert placed(paused, waits=waits, now=NOON) is state
    assert ask(paused, waits=waits, queue_state=QUEUED).state is state


def test_resuming_takes_the_new_time_into_account():
    assert ask(job(PAUSED), queue_state=QUEUED, run_at=LATER).state is SCHEDULED
    early = ask(job(PAUSED, run_at=LATER), queue_state=QUEUED, run_at=NOON)
    assert early.state is QUEUED


def test_a_scheduled_job_is_queued_once_nothing_holds_it_up():
    assert ask(job(SCHEDULED, run_at=LATER), run_at=NOON).state is QUEUED
    assert ask(job(SCHEDULED, semaphore_url=GATE), semaphore_url=None).state is QUEUED
    both = job(SCHEDULED, semaphore_url=GATE, run_at=LATER)
    assert ask(both, run_at=NOON).state is SCHEDULED


def test_a_new_gate_has_to_open_and_an_open_one_stays_so():
    opened = job(QUEUED, semaphore_url=GATE, gate_open=True)
    assert ask(opened, run_at=NOON).state is QUEUED
    after = ask(opened, semaphore_url="http://other.test")
    assert (after.state, after.gate_open) == (SCHEDULED, False)


def test_running_now_does_not_wait_for_the_gate():
    running = ask(job(SCHEDULED, semaphore_url=GATE), queue_state=QUEUED)
    assert running.state is QUEUED
    assert ask(running, priority=1).state is QUEUED


@pytest.mark.parametrize(
    ("changes", "anew"),
    [
        ({"priority": 1}, False),
        ({"semaphore_url": GATE}, False),
        ({"semaphore_url": "http://other.test"}, True),
        ({"run_at": LATER}, True),
        ({"queue_state": PAUSED}, True),
    ],
)
def test_which_updates_make_a_gate_due(changes, anew):
    before = job(SCHEDULED, semaphore_url=GATE)
    assert asked_anew(before, ask(before, **changes)) is anew


def test_every_updatable_field_can_be_read():
    assert tuple(READERS) == UPDATABLE
    assert {*VALUES, "queue_state"} == {*UPDATABLE}
