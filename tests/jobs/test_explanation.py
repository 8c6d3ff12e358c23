"""The words and figures of what keeps a job from running."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from taskengine.jobs.explanation import BEYOND, RANKED, REASONS, Slots, WaitingState, explanation
from taskengine.model import Job, JobState
from taskengine.pauses import Pause, PauseKind
from taskengine.policy import UNBOUND, Settings
from tests.conftest import NOON

SOON = NOON + timedelta(hours=1)
SOON_TEXT = "2031-02-01T13:00:00.000Z"
JOB = Job(7, "acme", "demo", JobState.QUEUED, False, 6, 1, False, NOON, NOON, NOON, digest="d")
GATED = replace(JOB, state=JobState.SCHEDULED, semaphore_url="http://gate.test")
FREE = WaitingState(JOB, Slots(Settings(max_jobs=4)), Slots(UNBOUND))


def seen(state=None, **changes):
    """What a job in a state waits for."""
    job = changes.pop("job", JOB if state is None else replace(JOB, state=state))
    return replace(FREE, job=job, **changes)


def full(low, high, **settings):
    return Slots(Settings(**settings), low, high)


def paused(kind, name, until=None):
    return Pause(PauseKind(kind), name, NOON, "root", until)


AGAIN = (
    "POST /jobs/<id>/retry goes on from the tasks that did not complete, /rerun runs all of it "
    "again; with definition=current by the file in force."
)
BROKEN = f"It is broken: it was stopped, run again, or a job it waited for came to nothing. {AGAIN}"
REFUSED = "It was refused; the ERROR line of its log says why. Mend the body and submit that."
TABLE = {
    "failed": (
        seen(
            job=replace(JOB, state=JobState.COMPLETED, failed=True),
            errors=[("second", "sh ended with code 3: err")],
        ),
        {"over": f"It failed: 'second' failed: sh ended with code 3: err. {AGAIN}"},
    ),
    "free": (seen(), {"next": "Nothing: it is started within moments."}),
    "no slots at all": (
        seen(system=full(0, 0, max_jobs=0)),
        {"slots": "max_jobs of the system is 0: no job starts."},
    ),
    "system full": (
        seen(system=full(1, 1)),
        {"slots": "All slots of the system are taken: 2 of 2."},
    ),
    "client full": (
        seen(client=full(0, 3, max_jobs=1)),
        {"slots": "All slots of client acme are taken: 3 of 1."},
    ),
    "reserved": (
        seen(system=full(1, 0, priority_slots=1)),
        {
            "slots": "The free slots of the system are reserved: 1 of 2 are for jobs of priority"
            " 1 to 5, and 1 others run."
        },
    ),
    "reserved for such as it": (
        seen(job=replace(JOB, priority=5), system=full(1, 0, priority_slots=1)),
        {"next": "Nothing: it is started within moments."},
    ),
    "second": (seen(ahead=1), {"rank": "1 queued job goes before it."}),
    "third": (seen(ahead=2), {"rank": "2 queued jobs go before it."}),
    "second where slots are shared": (
        seen(ahead=1, weight=3),
        {
            "rank": "1 queued job goes before it.",
            "shares": "Slots are shared: of equal priorities the next one is for the client served"
            " least for its weight, and that of acme is 3.",
        },
    ),
    "its client paused": (
        seen(pauses=[paused("client", "acme", SOON), paused("client", "beta")]),
        {"pause": f"The client acme is paused until {SOON_TEXT}: no job of it starts."},
    ),
    "its client paused before": (
        seen(pauses=[paused("client", "acme", NOON)]),
        {"next": "Nothing: it is started within moments."},
    ),
    "set aside": (
        seen(JobState.PAUSED, pauses=[paused("workflow", "demo")], is_held=True),
        {
            "pause": "The workflow demo is paused until somebody ends that: the job was set aside,"
            " and is queued again then."
        },
    ),
    "set aside a moment ago": (
        seen(JobState.PAUSED, is_held=True),
        {"next": "Nothing: its workflow is paused no more, it is queued in moments."},
    ),
    "its instance paused": (
        seen(JobState.STARTED, open_tasks=1, queues=["work"], pauses=[paused("instance", "one")]),
        {
            "running": "It runs: of 1 open task 0 at work.",
            "pause": "The instance one is paused until somebody ends that: no task by it begins.",
        },
    ),
    "far behind": (seen(ahead=RANKED), {"rank": "1,000 or more queued jobs go before it."}),
    "full and behind": (
        seen(system=full(1, 1), ahead=2),
        {
            "slots": "All slots of the system are taken: 2 of 2.",
            "rank": "2 queued jobs go before it.",
        },
    ),
    "due": (seen(JobState.SCHEDULED), {"next": "Nothing: it is queued within moments."}),
    "later": (
        seen(job=replace(JOB, state=JobState.SCHEDULED, run_at=SOON)),
        {"run_at": f"It is to run at {SOON_TEXT}."},
    ),
    "gate never asked": (
        seen(job=GATED),
        {"gate": "Its gate is not open: it has not been asked yet."},
    ),
    "gate closed": (
        seen(job=GATED, gate_answer="503", gate_due_at=SOON),
        {"gate": "Its gate is not open: it answered '503'."},
    ),
    "gate open": (
        seen(job=replace(GATED, gate_open=True)),
        {"next": "Nothing: it is queued within moments."},
    ),
    "switched off": (
        seen(JobState.SCHEDULED, queues_due=False),
        {
            "queue_scheduled_jobs": "The schedule queue_scheduled_jobs is switched off: no job is"
            " queued when it is due."
        },
    ),
    "a parent": (
        seen(JobState.PENDING, parents=[3]),
        {"depends_on": "It waits for the completion of job 3."},
    ),
    "a parent that is over": (
        seen(JobState.PENDING, parents=[3], told=[3]),
        {"depends_on": "Job 3, for which it waits, is over: the job is told so within moments."},
    ),
    "parents and the original": (
        seen(JobState.PENDING, parents=[3, 4], original=5),
        {
            "depends_on": "It waits for the completion of jobs 3, 4.",
            "waits_for_original": "It runs job 5 again, and tasks of that one are still being"
            " stopped.",
        },
    ),
    "pending no more": (
        seen(JobState.PENDING),
        {"next": "Nothing: it goes on within moments."},
    ),
    "paused": (seen(JobState.PAUSED), {"paused": "It is paused until it is resumed."}),
    "pausing": (
        seen(JobState.PAUSED, working=2),
        {
            "paused": "It is paused until it is resumed.",
            "stopping": "2 tasks of it still at work; no other starts.",
        },
    ),
    "started": (
        seen(JobState.STARTED, working=1, open_tasks=3),
        {"running": "It runs: of 3 open tasks 1 at work."},
    ),
    "nobody has the action": (
        seen(JobState.STARTED, open_tasks=1, unserved=[("t1", "eng.raise", "work")]),
        {
            "running": "It runs: of 1 open task 0 at work.",
            "action": "Task t1 waits for an instance that has the action eng.raise and serves the"
            " queue work: none does.",
        },
    ),
    "completed": (seen(JobState.COMPLETED), {"over": "It is completed."}),
    "breaking": (
        seen(JobState.BROKEN, working=1),
        {"over": BROKEN, "stopping": "1 task of it still at work; no other starts."},
    ),
    "refused": (
        seen(job=replace(JOB, state=JobState.BROKEN, digest=None)),
        {"over": REFUSED},
    ),
}


@pytest.mark.parametrize(("waiting", "told"), TABLE.values(), ids=TABLE)
def test_each_reason_is_told_in_plain_words(waiting, told):
    answer = explanation(waiting, NOON)
    assert {one["reason"]: one["message"] for one in answer["reasons"]} == told
    assert (answer["id"], answer["queue_state"]) == (7, waiting.job.state.label)
    assert told.keys() <= set(REASONS)


def test_every_reason_is_in_the_table():
    assert {reason for _, told in TABLE.values() for reason in told} == set(REASONS)


def test_reasons_carry_the_figures_of_both_levels():
    waiting = seen(system=full(1, 1, priority_slots=9), ahead=2)
    answer = explanation(waiting, NOON)
    system = {"max_jobs": 2, "running": 2, "low": 1, "high": 1, "reserved": 2}
    free = {"max_jobs": None, "running": 0, "low": 0, "high": 0, "reserved": 0}
    assert answer["slots"] == {"system": system, "client": free}
    assert answer["rank"] == 3
    slots, rank = answer["reasons"]
    assert slots == {"reason": "slots", "message": slots["message"], "level": "system", **system}
    assert rank["rank"] == 3


def test_a_rank_is_exact_up_to_a_thousand():
    assert explanation(seen(ahead=RANKED - 1), NOON)["rank"] == 1000
    assert explanation(seen(ahead=RANKED), NOON)["rank"] == BEYOND == "more than 1,000"
    assert explanation(seen(JobState.PAUSED), NOON)["rank"] is None


def test_a_closed_gate_tells_its_answer_and_its_next_question():
    waiting = seen(job=GATED, gate_answer="503", gate_due_at=SOON)
    [gate] = explanation(waiting, NOON)["reasons"]
    assert gate["semaphore_url"] == "http://gate.test"
    assert (gate["answer"], gate["ask_at"]) == ("503", SOON_TEXT)
