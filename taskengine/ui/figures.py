"""Figures of what an engine does now: slots, queues, instances, ends by the hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskengine.counters import QueueCount
from taskengine.model import JobState
from taskengine.policy import SYSTEM, UNBOUND, Band, settings_of
from taskengine.store import Totals
from taskengine.store.overview import HourOfEnds, InstanceView, TaskAtWork, hour_of
from taskengine.ui.visit import Visit

HOURS, CHART_HEIGHT = 24, 72
TASKS = 100  # at work, on all instances


@dataclass(frozen=True, slots=True)
class SlotRow:
    """The system, or a client: its limit and who holds its slots. `limit` None: it has none."""

    name: str
    limit: int | None
    low: int
    high: int

    @property
    def held(self) -> int:
        return self.low + self.high


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue of tasks: how many wait, since when the first one, and who is at work."""

    name: str
    waiting: int
    since: datetime | None
    count: QueueCount


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """An instance, and what it runs."""

    view: InstanceView
    tasks: Sequence[TaskAtWork]
    differs: bool  # its workflow files are others than those of the instance that answers


@dataclass(frozen=True, slots=True)
class HourBar:
    """An hour of the chart; the heights are those of all that ended, and of what failed."""

    hour: datetime
    ended: int
    failed: int
    height: float
    failed_height: float


@dataclass(frozen=True, slots=True)
class HoursChart:
    """The jobs that ended in the last hours."""

    bars: Sequence[HourBar]
    ended: int
    failed: int
    most: int  # in one of the hours


async def slots_of(visit: Visit) -> list[SlotRow]:
    """The system's row, then those of clients that hold some; a client sees its own besides."""
    store = visit.services.store
    held = await store.slots_held()
    names = sorted({name for name, _ in held}) if visit.only is None else [visit.only]
    stored = await store.settings_by_client([SYSTEM, *names])
    system = settings_of(stored.get(SYSTEM, {}))
    rows = [
        SlotRow(
            "all clients",
            system.max_jobs,
            sum(number for (_, band), number in held.items() if band is Band.LOW),
            sum(number for (_, band), number in held.items() if band is Band.HIGH),
        )
    ]
    for name in names:
        limits = settings_of(stored[name], client=True) if name in stored else UNBOUND
        own = (held.get((name, Band.LOW), 0), held.get((name, Band.HIGH), 0))
        rows.append(SlotRow(name, limits.max_jobs, *own))
    return rows


async def queues_of(visit: Visit, totals: Totals) -> list[QueueRow]:
    """Queues of tasks, with the figures of this instance as long as nobody has told the mirror."""
    services = visit.services
    since = await services.store.oldest_waiting()
    _, mirrored = await services.mirrored()
    counts = mirrored or services.own_counts()
    names = sorted({*services.configuration.queues, *totals.queued, *since})
    return [
        QueueRow(name, totals.queued.get(name, 0), since.get(name), counts.get(name, QueueCount()))
        for name in names
    ]


async def instances_of(visit: Visit) -> list[InstanceRow]:
    """For whoever sees all jobs."""
    if visit.only is not None:
        return []
    tasks = await visit.services.store.at_work(TASKS)
    views = await visit.services.store.instances()
    own = visit.services.library().digest
    return [
        InstanceRow(
            view,
            [task for task in tasks if task.instance == view.id],
            differs=not view.dead and view.workflows not in (None, own),
        )
        for view in views
    ]


def jobs_by_state(totals: Totals) -> dict[str, int]:
    """How many jobs are in each state."""
    found = dict.fromkeys(
        ("started", "queued", "scheduled", "pending", "paused", "completed", "failed", "broken"), 0
    )
    for (state, failed), number in totals.jobs.items():
        word = "failed" if state is JobState.COMPLETED and failed else state.label
        found[word] += number
    return found


async def chart_of(visit: Visit) -> HoursChart:
    this = hour_of(visit.services.now())
    start = this - timedelta(hours=HOURS - 1)
    known = {one.hour: one for one in await visit.services.store.ends_since(start, visit.only)}
    hours = [start + timedelta(hours=number) for number in range(HOURS)]
    found = [known.get(hour, HourOfEnds(hour)) for hour in hours]
    most = max(one.ended for one in found)
    scale = CHART_HEIGHT / (most or 1)
    bars = [
        HourBar(
            one.hour,
            one.ended,
            one.failed,
            round(max(2.0, one.ended * scale), 1),
            round(max(2.0, one.failed * scale), 1),
        )
        for one in found
    ]
    return HoursChart(bars, sum(one.ended for one in found), sum(one.failed for one in found), most)
