"""Pure rules: settings and bands, what a job becomes, when to try again. No clock, no store."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from random import Random
from typing import Any, TypeGuard

from taskengine.model import BadInput, JobState, JsonObject
from taskengine.times import parse_time

UNLIMITED = 1_000_000  # more jobs than are ever admitted at once
logger = logging.getLogger(__name__)

SYSTEM = ""  # the scope above all clients

# Seconds before each retry of a callback, for a job and URL together (A26); then the lane is dead.
CALLBACK_PAUSES = (5, 30, 120, 600, 1800, 7200, 21600, 43200, 86400)
LONGEST_RETRY = 86_400.0  # seconds before the retry of a task
MAX_RESCUES = 5


class Band(IntEnum):
    """Fixed when a job is admitted: high may use reserved slots."""

    LOW = 0
    HIGH = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """The contract's settings, with its defaults; None: not bounded at this level."""

    max_jobs: int | None = 2
    priority_slots: int = 0
    priority_threshold: int = 5
    schedule_interval: int = 60  # seconds
    retry_delay: float = 5  # seconds
    retry_limit: int = 3
    retention_days: int = 30  # after a job's end
    retry_hours: int = 24  # after a failed or stopped job's end, in which its tasks' files are kept
    weight: int = 0  # of a client among others (fair_shares.py); 0: none of its own

    def band(self, priority: int) -> Band:
        return Band.HIGH if priority <= self.priority_threshold else Band.LOW

    def fits(self, low: int, high: int) -> bool:
        """Correctness rule 9: the bands that run leave the reserved slots to priority jobs."""
        if self.max_jobs is None:
            return True
        slots = min(self.priority_slots, self.max_jobs)
        return low + high <= self.max_jobs and low + max(0, high - slots) <= self.max_jobs - slots

    def admits(self, band: Band, low: int, high: int) -> bool:
        """Whether one more job of a band fits beside those that run."""
        return self.fits(low + (band is Band.LOW), high + (band is Band.HIGH))

    def room(self, low: int, high: int) -> tuple[int, int]:
        """How many more jobs fit, if all are of the low band, and if all are of the high one."""
        if self.max_jobs is None:
            return UNLIMITED, UNLIMITED
        if not self.fits(low, high):
            return 0, 0
        slots = min(self.priority_slots, self.max_jobs)
        return self.max_jobs - slots - low - max(0, high - slots), self.max_jobs - low - high


NUMBERS = {
    "max_jobs": (0, 100_000),
    "priority_slots": (0, 100_000),
    "priority_threshold": (1, 10),
    "schedule_interval": (1, 86_400),
    "retry_delay": (0, 86_400),
    "retry_limit": (0, 1_000),
    "retention_days": (1, 36_500),
    "retry_hours": (0, 8_760),
    "weight": (0, 1_000),
}
MAX_OWN_SETTINGS = 100  # names that a client makes up, beside those that are known
# No client has its own of these (rule 9).
SYSTEM_ONLY = frozenset({"schedule_interval", "retention_days", "retry_hours"})
ADMINS_ONLY = frozenset({"weight"})  # what one client gets of it, the others lose


def settings_of(values: Mapping[str, str], *, client: bool = False) -> Settings:
    """Settings from the stored texts. What a client has not set does not bound it: the system's
    `max_jobs` and `priority_threshold` hold alone. A text that is none of a setting, written past
    the API, counts as not set: no actor may stumble over it."""
    read = {name: _stored(name, values[name]) for name in NUMBERS if name in values}
    known: dict[str, Any] = {name: value for name, value in read.items() if value is not None}
    bound: dict[str, Any] = {"max_jobs": None, "priority_threshold": 10} if client else {}
    return Settings(**{**bound, **known})


def check_setting(name: str, value: object) -> str:
    """The text to store; raises BadInput for a known setting out of its range."""
    text = str(value).strip()
    if name not in NUMBERS:
        return text
    low, high = NUMBERS[name]
    whole = re.fullmatch(r"([0-9]{1,9})(\.0*)?", text, re.ASCII)
    if whole is None or not low <= int(whole[1]) <= high:
        wanted = f"a whole number from {low} to {high} for {name}"
        raise BadInput(f"setting: expected {wanted}, got {text[:40]!r}")
    return whole[1]


def check_number_of_settings(name: str, stored: Collection[str]) -> None:
    """Raises BadInput if there is no room for a setting beside those that are stored."""
    others = set(stored) - NUMBERS.keys() - {name}
    if name not in NUMBERS and len(others) >= MAX_OWN_SETTINGS:
        raise BadInput(
            f"name: there may be {MAX_OWN_SETTINGS} settings of one's own, and there are"
        )


@lru_cache(1024)  # so that a bad one is told once, not at every admission
def _stored(name: str, text: str) -> int | None:
    try:
        return int(check_setting(name, text))
    except BadInput as error:
        logger.warning("the stored setting %s = %.40r is ignored: %s", name, text, error)
        return None


UNBOUND = settings_of({}, client=True)
NOTHING_STARTS = settings_of({"max_jobs": "0"}, client=True)  # of a client that is paused
BOUNDS = frozenset({"max_jobs", "priority_slots", "priority_threshold"})  # hold at both levels


def in_force(system: Mapping[str, str], own: Mapping[str, str]) -> Settings:
    """What holds for a client: bounds are its own, beside the system's; of the rest its own values
    replace the system's."""
    shared = {name: value for name, value in system.items() if name not in BOUNDS}
    return settings_of({**shared, **own_settings(own)}, client=True)


def own_settings(stored: Mapping[str, str]) -> dict[str, str]:
    """Of what is stored for a client, the settings that count."""
    names = (name for name in NUMBERS.keys() - SYSTEM_ONLY if name in stored)
    return {name: stored[name] for name in names if _stored(name, stored[name]) is not None}


def band_of(priority: int, system: Settings, client: Settings) -> Band:
    """A job is of the high band if it is at both levels."""
    return Band(min(system.band(priority), client.band(priority)))


def initial_state(*, refused: bool, run_at: datetime | None, gate: bool, now: datetime) -> JobState:
    """Where a submission puts its job."""
    if refused:
        return JobState.BROKEN
    if gate or (run_at is not None and run_at > now):
        return JobState.SCHEDULED
    return JobState.QUEUED


def latest_clip_end(parameters: JsonObject, clips: Mapping[str, str]) -> datetime | None:
    """The end of the last clip that names a UTC time, not an offset (clip rule, A17).

    Raises ValueError for what looks like a time and is none.
    """
    listed = parameters.get(clips["from"])
    ends = [clip.get(clips["end"]) for clip in listed or () if isinstance(clip, dict)]
    return max((parse_time(end) for end in ends if _is_date(end)), default=None)


def _is_date(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value[:4].isdigit() and "-" in value


def retry_at(now: datetime, delay: float, backoff: float, failures: int) -> datetime:
    """When an attempt that failed for the `failures`-th time is tried again; delay in seconds."""
    try:
        pause = min(delay * backoff ** (failures - 1), LONGEST_RETRY)
    except OverflowError:
        pause = LONGEST_RETRY
    return now + timedelta(seconds=pause)


def callback_retry_at(now: datetime, failures: int, random: Random) -> datetime | None:
    """The next try after a lane's `failures`-th failure in a row; None: the lane is dead."""
    if failures > len(CALLBACK_PAUSES):
        return None
    return now + timedelta(seconds=CALLBACK_PAUSES[failures - 1] * random.uniform(0.8, 1.2))
