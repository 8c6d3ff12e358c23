"""What the store is asked again and again: ticks, clean-up, cascades and sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from taskengine.model import JsonObject, Recorded
from taskengine.schedules import Schedule, Tick
from taskengine.store.types import Cleared, OldJob, Settled


class Upkeep(Protocol):
    """The part of taskengine.store.Store for what recurs."""

    async def schedules(self) -> Sequence[Schedule]:
        """All, without their bodies."""

    async def schedule_body(self, name: str, client: str) -> JsonObject | None:
        """The job of a client's schedule; None: it is gone."""
        ...

    async def schedule_bodies(
        self, whose: Sequence[tuple[str, str]], most: int
    ) -> Mapping[tuple[str, str], JsonObject | None]:
        """The jobs of schedules, which are named by client and name; None for one of more than
        `most` bytes. Those that are gone are left out."""
        ...

    async def put_schedule(self, schedule: Schedule) -> None:
        """Make a client's schedule or replace its own. Raises BadInput (schedules.check_room)."""
        ...

    async def remove_schedule(self, name: str, client: str) -> bool: ...

    async def activate(self, name: str, client: str | None, active: bool, now: datetime) -> None:
        """Switch a schedule on or off, a client's or the engine's own; while
        `queue_scheduled_jobs` is off, no job is due and no gate is asked (A5). Raises NotFound."""
        ...

    async def claim_ticks(
        self, now: datetime, lease: timedelta
    ) -> tuple[Sequence[Tick], datetime | None]:
        """Ticks that are due, each for the caller alone as long as `lease`, and when the next one
        is. Missed ticks of a schedule come as one; a tick that is not ended by then is handed out
        again. Their schedules have no bodies."""
        ...

    async def end_tick(self, tick: Tick) -> None: ...

    async def clear_old_jobs(
        self, before: datetime, limit: int, after: OldJob | None = None
    ) -> Cleared:
        """Look at up to `limit` jobs that ended earlier than `before`, in the order of their ends,
        and remove them with all that belongs to them. Spared are persistent ones, parents of
        unfinished ones, and those with callbacks to deliver."""
        ...

    async def tidy(self) -> None:
        """Remove some of what nobody needs: definitions that no job has, counters of zero, settings
        of clients that are gone with all their jobs."""
        ...

    async def sweep_edges(self, after: int, now: datetime) -> tuple[int, int | None]:
        """Find parents that are over or gone, with open edges and no cascade, among some with ids
        beyond `after`: how many, and the one to go on after; None: that was all."""
        ...

    async def sweep_jobs(self, after: int, now: datetime) -> tuple[Recorded, int | None]:
        """End as failed those that hold a slot though no task of theirs is queued or at work,
        among some jobs with ids beyond `after`; and the one to go on after; None: that was all."""
        ...

    async def cascade(self, now: datetime, limit: int = 500) -> Settled:
        """Tell up to `limit` jobs that wait for others what became of these: they go on, are
        broken, or wait for a rerun. Until they are told they do not start. Several may be at it."""
        ...
