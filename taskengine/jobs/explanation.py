"""Why a job does not run, in words and as data. Pure: the store tells the facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from taskengine.jobs.changes import OVER
from taskengine.masking import masked_text
from taskengine.model import Job, JobState, Json, JsonObject
from taskengine.policy import Settings, band_of
from taskengine.times import format_time

RANKED = 1000  # places of the queue that are told apart (rule 10)
BEYOND = f"more than {RANKED:,}"
REASONS = (
    "slots",
    "rank",
    "run_at",
    "gate",
    "queue_scheduled_jobs",
    "depends_on",
    "waits_for_original",
    "paused",
    "running",
    "action",
    "stopping",
    "over",
    "next",
)


@dataclass(frozen=True, slots=True)
class Slots:
    """The system or a client: its settings, and how many jobs of each band hold its slots."""

    settings: Settings
    low: int = 0
    high: int = 0

    @property
    def running(self) -> int:
        return self.low + self.high

    @property
    def reserved(self) -> int:
        wanted, cap = self.settings.priority_slots, self.settings.max_jobs
        return 0 if cap is None else min(wanted, cap)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store knows of a job's waiting, seen at one moment."""

    job: Job
    system: Slots
    client: Slots
    ahead: int = 0  # queued jobs that go before it, RANKED at most
    open_tasks: int = 0  # not ended
    working: int = 0  # tasks that somebody runs
    parents: Sequence[int] = ()  # jobs whose completion it still waits for
    original: int | None = None  # the job it runs again, while tasks of that one run
    gate_answer: str | None = None  # the last one
    gate_due_at: datetime | None = None
    queues_due: bool = True  # jobs are queued when they are due (A5)
    told: Sequence[int] = ()  # of the parents, those that are over: the job is about to be told
    unserved: Sequence[tuple[str, str, str]] = ()  # tasks, actions, queues that nobody runs
    errors: Sequence[tuple[str, str]] = ()  # the tasks that failed, and why


def explanation(facts: Facts, now: datetime) -> JsonObject:
    """All that keeps a job from running now."""
    queued = facts.job.state is JobState.QUEUED
    return {
        "id": facts.job.id,
        "queue_state": facts.job.state.label,
        "reasons": list(_reasons(facts, now)),
        "rank": _rank(facts.ahead) if queued else None,
        "slots": {"system": _slots(facts.system), "client": _slots(facts.client)},
    }


def _reasons(facts: Facts, now: datetime) -> Iterator[JsonObject]:
    match facts.job.state:
        case JobState.QUEUED:
            yield from _queued(facts)
        case JobState.SCHEDULED:
            yield from _scheduled(facts, now)
        case JobState.PENDING:
            yield from _pending(facts)
        case JobState.STARTED:
            told = f"It runs: of {_count(facts.open_tasks, 'open task')} {facts.working} at work."
            yield _reason("running", told, working=facts.working, open_tasks=facts.open_tasks)
            for task, action, queue in facts.unserved:
                told = f"Task {task} waits for an instance that has the action {action}"
                told = f"{told} and serves the queue {queue}: none does."
                yield _reason("action", told, task=task, action=action, queue=queue)
        case JobState.PAUSED:
            yield _reason("paused", "It is paused until it is resumed.")
    if facts.job.state in OVER:
        yield _reason("over", _over(facts))
    if facts.working and facts.job.state in (*OVER, JobState.PAUSED):
        told = f"{_count(facts.working, 'task')} of it still at work; no other starts."
        yield _reason("stopping", told, working=facts.working)


def _over(facts: Facts) -> str:
    job = facts.job
    if job.digest is None:
        return "It was refused; the ERROR line of its log says why. Mend the body and submit that."
    again = "POST /jobs/<id>/rerun runs it again, with definition=current by the file in force"
    failed = "; ".join(f"{name!r} failed: {error}" for name, error in facts.errors)
    if job.state is JobState.COMPLETED and job.failed:
        return f"It failed{f': {failed}' if failed else ''}. {again}."
    if job.state is JobState.BROKEN:
        return "It is broken: it was stopped, run again, or a job it waited for came to nothing."
    return "It is completed."


def _queued(facts: Facts) -> Iterator[JsonObject]:
    job = facts.job
    system, client = facts.system, facts.client
    band = band_of(job.priority, system.settings, client.settings)
    reasons = []
    levels = (("system", "the system", system), ("client", f"client {job.client}", client))
    for level, whose, slots in levels:
        if not slots.settings.admits(band, slots.low, slots.high):
            limit = min(system.settings.priority_threshold, client.settings.priority_threshold)
            told = _taken(whose, slots, limit)
            reasons.append(_reason("slots", told, level=level, **_slots(slots)))
    if facts.ahead:
        number = f"{RANKED:,} or more" if facts.ahead >= RANKED else str(facts.ahead)
        told = f"{number} queued {'job goes' if facts.ahead == 1 else 'jobs go'} before it."
        reasons.append(_reason("rank", told, rank=_rank(facts.ahead)))
    yield from reasons or [_reason("next", "Nothing: it is started within moments.")]


def _taken(whose: str, slots: Slots, threshold: int) -> str:
    cap = slots.settings.max_jobs
    if cap == 0:
        return f"max_jobs of {whose} is 0: no job starts."
    if cap is not None and slots.running >= cap:
        return f"All slots of {whose} are taken: {slots.running} of {cap}."
    return (
        f"The free slots of {whose} are reserved: {slots.reserved} of {cap} are for jobs of"
        f" priority 1 to {threshold}, and {slots.low} others run."
    )


def _scheduled(facts: Facts, now: datetime) -> Iterator[JsonObject]:
    job, waits = facts.job, False
    if job.run_at > now:
        waits = True
        at = format_time(job.run_at)
        yield _reason("run_at", f"It is to run at {at}.", run_at=at)
    if job.semaphore_url is not None and not job.gate_open:
        waits = True
        yield _gate(facts)
    if not facts.queues_due:
        waits = True
        told = "The schedule queue_scheduled_jobs is switched off: no job is queued when it is due."
        yield _reason("queue_scheduled_jobs", told)
    if not waits:
        yield _reason("next", "Nothing: it is queued within moments.")


def _gate(facts: Facts) -> JsonObject:
    answer = facts.gate_answer
    said = "has not been asked yet" if answer is None else f"answered {answer!r}"
    due = facts.gate_due_at
    return _reason(
        "gate",
        f"Its gate is not open: it {said}.",
        semaphore_url=masked_text(facts.job.semaphore_url or ""),
        answer=answer,
        ask_at=due and format_time(due),
    )


def _pending(facts: Facts) -> Iterator[JsonObject]:
    for parent in facts.told:
        told = f"Job {parent}, for which it waits, is over: the job is told so within moments."
        yield _reason("depends_on", told, jobs=[parent])
    if waited := [one for one in facts.parents if one not in facts.told]:
        names = ", ".join(map(str, waited))
        noun = "job" if len(waited) == 1 else "jobs"
        told = f"It waits for the completion of {noun} {names}."
        yield _reason("depends_on", told, jobs=waited)
    if facts.original is not None:
        told = f"It runs job {facts.original} again, and tasks of that one are still being stopped."
        yield _reason("waits_for_original", told, job=facts.original)
    if not facts.parents and facts.original is None:
        yield _reason("next", "Nothing: it goes on within moments.")


def _rank(ahead: int) -> int | str:
    return BEYOND if ahead >= RANKED else ahead + 1


def _slots(slots: Slots) -> JsonObject:
    return {
        "max_jobs": slots.settings.max_jobs,
        "running": slots.running,
        "low": slots.low,
        "high": slots.high,
        "reserved": slots.reserved,
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _reason(reason: str, message: str, **figures: Json) -> JsonObject:
    return {"reason": reason, "message": message, **figures}
