"""Why a job does not run, in words and as data. Pure: the store says what the job waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from taskengine.masking import masked_text
from taskengine.model import FINAL_STATES, Job, JobState, Json, JsonObject
from taskengine.pauses import Pause, PauseKind
from taskengine.policy import Settings, band_of
from taskengine.times import format_time

RANKED = 1000  # places of the queue that are told apart (rule 10)
BEYOND = f"more than {RANKED:,}"
REASONS = (
    "slots",
    "rank",
    "shares",
    "pause",
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
class WaitingState:
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
    weight: int | None = None  # of the client; None: slots are not shared by weight
    pauses: Sequence[Pause] = ()  # all that there are
    queues: Sequence[str] = ()  # in which its tasks wait
    is_held: bool = False  # set aside while its workflow is paused


def explanation(waiting: WaitingState, now: datetime) -> JsonObject:
    """All that keeps a job from running now."""
    queued = waiting.job.state is JobState.QUEUED
    return {
        "id": waiting.job.id,
        "queue_state": waiting.job.state.label,
        "reasons": list(_reasons(waiting, now)),
        "rank": _rank(waiting.ahead) if queued else None,
        "slots": {"system": _slots(waiting.system), "client": _slots(waiting.client)},
    }


def _reasons(waiting: WaitingState, now: datetime) -> Iterator[JsonObject]:
    match waiting.job.state:
        case JobState.QUEUED:
            yield from _queued(waiting, now)
        case JobState.SCHEDULED:
            yield from _scheduled(waiting, now)
        case JobState.PENDING:
            yield from _pending(waiting)
        case JobState.STARTED:
            yield from _started(waiting, now)
        case JobState.PAUSED if waiting.is_held:
            yield from _held(waiting, now)
        case JobState.PAUSED:
            yield _reason("paused", "It is paused until it is resumed.")
    if waiting.job.state.is_final:
        yield _reason("over", _over(waiting))
    if waiting.working and waiting.job.state in (*FINAL_STATES, JobState.PAUSED):
        told = f"{_count(waiting.working, 'task')} of it still at work; no other starts."
        yield _reason("stopping", told, working=waiting.working)


def _over(waiting: WaitingState) -> str:
    job = waiting.job
    if job.digest is None:
        return "It was refused; the ERROR line of its log says why. Mend the body and submit that."
    again = (
        "POST /jobs/<id>/retry goes on from the tasks that did not complete, /rerun runs all of it "
        "again; with definition=current by the file in force"
    )
    failed = "; ".join(f"{name!r} failed: {error}" for name, error in waiting.errors)
    if job.state is JobState.COMPLETED and job.failed:
        return f"It failed{f': {failed}' if failed else ''}. {again}."
    if job.state is JobState.BROKEN:
        told = "It is broken: it was stopped, run again, or a job it waited for came to nothing."
        return f"{told} {again}."
    return "It is completed."


def _started(waiting: WaitingState, now: datetime) -> Iterator[JsonObject]:
    told = f"It runs: of {_count(waiting.open_tasks, 'open task')} {waiting.working} at work."
    yield _reason("running", told, working=waiting.working, open_tasks=waiting.open_tasks)
    for task, action, queue in waiting.unserved:
        told = f"Task {task} waits for an instance that has the action {action}"
        told = f"{told} and serves the queue {queue}: none does."
        yield _reason("action", told, task=task, action=action, queue=queue)
    for pause in _pauses(waiting, now):
        whose = "by it" if pause.kind is PauseKind.INSTANCE else "of it"
        yield _pause(pause, f"no task {whose} begins")


def _pauses(waiting: WaitingState, now: datetime) -> list[Pause]:
    """Those that hold the job up."""
    job = waiting.job
    concerned = {
        JobState.QUEUED: {(PauseKind.CLIENT, job.client), (PauseKind.WORKFLOW, job.workflow)},
        JobState.PAUSED: {(PauseKind.WORKFLOW, job.workflow)},
        JobState.STARTED: {(PauseKind.QUEUE, queue) for queue in waiting.queues},
    }.get(job.state, set())
    held = [one for one in waiting.pauses if one.holds(now)]
    found = [one for one in held if (one.kind, one.name) in concerned]
    if waiting.queues:  # any instance may be the one that would run them
        found += [one for one in held if one.kind is PauseKind.INSTANCE]
    return found


def _pause(pause: Pause, effect: str) -> JsonObject:
    until = pause.until and format_time(pause.until)
    told = f"{pause.told}: {effect}."
    return _reason("pause", told, kind=pause.kind.value, name=pause.name, until=until)


def _held(waiting: WaitingState, now: datetime) -> Iterator[JsonObject]:
    for pause in _pauses(waiting, now):
        yield _pause(pause, "the job was set aside, and is queued again then")
    if not _pauses(waiting, now):
        yield _reason("next", "Nothing: its workflow is paused no more, it is queued in moments.")


def _queued(waiting: WaitingState, now: datetime) -> Iterator[JsonObject]:
    job = waiting.job
    system, client = waiting.system, waiting.client
    band = band_of(job.priority, system.settings, client.settings)
    reasons = [_pause(one, "no job of it starts") for one in _pauses(waiting, now)]
    levels = (("system", "the system", system), ("client", f"client {job.client}", client))
    for level, whose, slots in levels:
        if not slots.settings.admits(band, slots.low, slots.high):
            limit = min(system.settings.priority_threshold, client.settings.priority_threshold)
            told = _taken(whose, slots, limit)
            reasons.append(_reason("slots", told, level=level, **_slots(slots)))
    if waiting.ahead:
        number = f"{RANKED:,} or more" if waiting.ahead >= RANKED else str(waiting.ahead)
        told = f"{number} queued {'job goes' if waiting.ahead == 1 else 'jobs go'} before it."
        reasons.append(_reason("rank", told, rank=_rank(waiting.ahead)))
        if waiting.weight is not None:
            told = (
                "Slots are shared: of equal priorities the next one is for the client served least"
                f" for its weight, and that of {job.client} is {waiting.weight}."
            )
            reasons.append(_reason("shares", told, weight=waiting.weight))
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


def _scheduled(waiting: WaitingState, now: datetime) -> Iterator[JsonObject]:
    job, waits = waiting.job, False
    if job.run_at > now:
        waits = True
        at = format_time(job.run_at)
        yield _reason("run_at", f"It is to run at {at}.", run_at=at)
    if job.semaphore_url is not None and not job.gate_open:
        waits = True
        yield _gate(waiting)
    if not waiting.queues_due:
        waits = True
        told = "The schedule queue_scheduled_jobs is switched off: no job is queued when it is due."
        yield _reason("queue_scheduled_jobs", told)
    if not waits:
        yield _reason("next", "Nothing: it is queued within moments.")


def _gate(waiting: WaitingState) -> JsonObject:
    answer = waiting.gate_answer
    said = "has not been asked yet" if answer is None else f"answered {answer!r}"
    due = waiting.gate_due_at
    return _reason(
        "gate",
        f"Its gate is not open: it {said}.",
        semaphore_url=masked_text(waiting.job.semaphore_url or ""),
        answer=answer,
        ask_at=due and format_time(due),
    )


def _pending(waiting: WaitingState) -> Iterator[JsonObject]:
    for parent in waiting.told:
        told = f"Job {parent}, for which it waits, is over: the job is told so within moments."
        yield _reason("depends_on", told, jobs=[parent])
    if waited := [one for one in waiting.parents if one not in waiting.told]:
        names = ", ".join(map(str, waited))
        noun = "job" if len(waited) == 1 else "jobs"
        told = f"It waits for the completion of {noun} {names}."
        yield _reason("depends_on", told, jobs=waited)
    if waiting.original is not None:
        told = (
            f"It runs job {waiting.original} again, and tasks of that one are still being stopped."
        )
        yield _reason("waits_for_original", told, job=waiting.original)
    if not waiting.parents and waiting.original is None:
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
