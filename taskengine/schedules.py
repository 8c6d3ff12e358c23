"""Schedules: recurring work, the engine's own and operators' jobs. Pure: no clock, no store.

Cron times are UTC. Ticks that were missed while nobody looked run once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from taskengine.model import BadInput, JsonObject

QUEUE_JOBS, RESCUE_TASKS, CLEAR_JOBS = "QueueJobs", "RescueTasks", "ClearJobs"
SUBMIT_JOB = "SubmitJob"  # an operator's
QUEUE_SCHEDULED_JOBS = "queue_scheduled_jobs"
SAFETY = frozenset({"rescue_lost_tasks"})  # not to be switched off (rule 28)
MAX_EVERY = 366 * 86_400  # seconds
MAX_CRON = 400  # characters: every value of every field, written out
MAX_OWN = 1000  # schedules of a client
MAX_BYTES = 16 << 20  # of the jobs of a client's schedules, together


@dataclass(frozen=True, slots=True)
class Schedule:
    """Recurs every so many seconds, or as `cron` says. A name is the client's own: others may have
    it too. Of an operator's, `body` is the job, where it is made; lists go without it."""

    name: str
    kind: str  # the contract's `class`
    description: str
    every: int | None = None  # that of `queue_scheduled_jobs` is the setting schedule_interval
    first_in: int = 0  # seconds before the first time
    cron: str | None = None
    queue: str = "scheduler"
    active: bool = True
    next_at: datetime | None = None  # None: not looked at yet
    client: str | None = None  # None: built in
    body: JsonObject | None = None
    created_at: datetime | None = None

    def first(self, now: datetime) -> datetime:
        """When it runs for the first time after it was made or switched on."""
        return cron_after(self.cron, now) if self.cron else now + timedelta(seconds=self.first_in)

    def starting(self, now: datetime) -> Schedule:
        """The schedule as it was made now. Raises BadInput for what is no cron expression."""
        return replace(self, next_at=self.first(now), created_at=now)

    def following(self, tick: datetime, now: datetime) -> datetime:
        """The first time after a tick that is still to come."""
        if self.cron or not self.every:
            return self.first(now)
        length = timedelta(seconds=self.every)
        return tick + length * ((now - tick) // length + 1)


def origin_of(schedule: Schedule) -> dict[str, object]:
    """How a schedule's job came, for the first line of its log."""
    return {"path": f"SCHEDULE {schedule.name}", "remote_addr": "", "headers": {}}


@dataclass(frozen=True, slots=True)
class Tick:
    """A time at which a schedule is to run."""

    schedule: Schedule
    at: datetime


BUILT_IN = (
    Schedule(
        QUEUE_SCHEDULED_JOBS,
        QUEUE_JOBS,
        "Enqueues scheduled jobs that have a run_at time in the past.",
        first_in=5,
    ),
    Schedule(
        "rescue_lost_tasks",
        RESCUE_TASKS,
        "Queues again the tasks of instances that are gone.",
        every=60,
        first_in=5,
    ),
    Schedule(
        "clear_old_jobs",
        CLEAR_JOBS,
        "Removes jobs that ended more than retention_days ago.",
        every=3600,
        first_in=60,
    ),
)


BUILT_IN_NAMES = frozenset(one.name for one in BUILT_IN)


def with_interval(schedule: Schedule, schedule_interval: int) -> Schedule:
    """The schedule with the seconds in force where a setting says them."""
    if schedule.every is None and schedule.cron is None:
        return replace(schedule, every=schedule_interval)
    return schedule


def check_room(name: str, size: int, own: Mapping[str, int]) -> None:
    """Whether a client may have a schedule beside those it has, whose sizes are given, in bytes.
    Raises BadInput."""
    if name in BUILT_IN_NAMES:
        raise BadInput(f"name: {name} is the engine's own")
    others = {one: size for one, size in own.items() if one != name}
    if len(others) >= MAX_OWN:
        raise BadInput(f"name: a client has at most {MAX_OWN} schedules")
    if sum(others.values()) + size > MAX_BYTES:
        limit = f"{MAX_BYTES >> 20} MiB"
        raise BadInput(
            f"parameters: the jobs of a client's schedules have at most {limit} together"
        )


def cron_after(cron: str, moment: datetime) -> datetime:
    """The first time after a moment. Raises BadInput for what is no cron expression."""
    if len(cron) > MAX_CRON:
        raise BadInput(f"cron: expected at most {MAX_CRON} characters, got {len(cron)}")
    if len(cron.split()) != 5:
        raise BadInput(f"cron: expected five fields such as 30 4 * * *, got {cron[:40]!r}")
    try:
        return next(CronSim(cron, moment))
    except (CronSimError, ValueError) as error:
        raise BadInput(f"cron: {error} in {cron!r}") from None
    except StopIteration:
        raise BadInput(f"cron: {cron!r} never comes") from None
