"""When a queued job starts, foretold from the queue as it is and from how long jobs have lasted.

The queue ahead of the job is run through the slots (queue_simulation.py) some times, each job
lasting as long as one of those of its workflow that ended lately, drawn by lot; the middle of the
starts found is told. Pure: a view of the queue gives times, the same view the same times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from taskengine.admission import Candidate, TakenSlots
from taskengine.fair_shares import Shares, in_turn
from taskengine.jobs.queue_simulation import HORIZON, QueueSimulation, Waiter
from taskengine.model import Job
from taskengine.policy import Band, Settings

DRAWS = 15  # times that a short queue is simulated
STARTS = 1_000  # of jobs that are simulated for one forecast, about: what bounds its time
FEW = 5  # ended jobs of a workflow that tell how long one lasts
PAST = 3600.0  # seconds; what came in the last hour comes again in the next, and so on
MOST_AGAIN = 2_000  # jobs that come again
WITHIN = 0.2  # of its wait: how far from the start that was foretold a job may start
SECONDS_WITHIN = 2.0  # and how far at least: what starts at once starts within moments


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that holds a slot."""

    client: str
    band: Band
    workflow: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class QueueView:
    """The queue and its slots, seen at one moment.

    `first` are the jobs that go first, whosever they are; of those behind them `sample` has some,
    taken evenly, which stand for all `length` that are queued. `coming` are scheduled jobs, with
    their times, and `came` those that came in the last hour.
    """

    at: datetime
    system: Settings
    clients: Mapping[str, Settings]  # that have limits of their own; a paused one starts nothing
    taken: Mapping[tuple[str, Band], int]  # slots, by client and band
    running: Sequence[RunningJob] = ()  # that hold these, or some of them
    first: Sequence[Job] = ()
    sample: Sequence[Job] = ()
    length: int = 0
    coming: Sequence[Job] = ()
    came: Sequence[Job] = ()
    run_times: Mapping[str, Sequence[float]] = field(default_factory=dict)  # seconds, by workflow
    shares: Shares = field(default_factory=lambda: Shares({}))

    def knows(self, job: Job) -> bool:
        """Whether what goes before the job is among what was read."""
        if self.behind or self.length <= len(self.first):
            return True
        return bool(self.first) and _candidate(job).rank <= _candidate(self.first[-1]).rank

    @property
    def behind(self) -> list[Job]:
        """Those of the sample that the first jobs do not stand for already."""
        known = {job.id for job in self.first}
        last = max((_candidate(job).rank for job in self.first), default=None)
        unknown = [job for job in self.sample if job.id not in known]
        return [job for job in unknown if last is None or _candidate(job).rank > last]

    @property
    def copies(self) -> float:
        """How many jobs each of those stands for."""
        return max(1.0, (self.length - len(self.first)) / max(1, len(self.behind)))


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a job is expected to start, and about how many jobs start before it."""

    start_at: datetime
    ahead: int


@dataclass(frozen=True, slots=True)
class ForecastHits:
    """How many of the forecasts that were judged came true."""

    judged: int = 0
    right: int = 0

    @property
    def share(self) -> float | None:
        return round(self.right / self.judged, 3) if self.judged else None


def foretold(view: QueueView, job: Job) -> Forecast | None:
    """The start of a queued job, or of one that is scheduled and waits for nothing but its time.
    None where no job has ended from which to tell, where those that go before it come faster than
    they are served, or where the queue was too long and thin for a sample."""
    if not any(view.run_times.values()) or not view.knows(job):
        return None
    again = list(_again(view, job))
    line, place = _line(view, job, again)
    ahead = sum(one.copies for one in line[:place] if one.ready <= line[place].ready)
    random = Random(job.id)
    draws = max(1, min(DRAWS, STARTS // (place + 1)))
    starts = sorted(_start(view, job, line, random) for _ in range(draws))
    middle = starts[len(starts) // 2]
    if middle >= (again[-1].ready if again else HORIZON):
        return None
    return Forecast(view.at + timedelta(seconds=middle), round(ahead))


def is_right(made_at: datetime, foretold_at: datetime, started_at: datetime) -> bool:
    """Whether a forecast came true: within ±20 % of how long the job waited after it was made."""
    waited = (started_at - made_at).total_seconds()
    off = abs((started_at - foretold_at).total_seconds())
    return off <= max(WITHIN * waited, SECONDS_WITHIN)


def _start(view: QueueView, job: Job, line: Sequence[Waiter], random: Random) -> float:
    """One run of the simulation, in seconds from its view."""
    durations = _Durations(view, random)
    slots = TakenSlots.of(view.taken, view.system, view.clients)
    ends = list(_ends(view, durations))
    found = QueueSimulation(slots, line, ends, durations.of).start_of(job.id)
    return HORIZON if found is None else found


@dataclass(frozen=True, slots=True)
class _Durations:
    """How long jobs last, by lot from what was recorded; of a workflow of which little is known, as
    any others do."""

    view: QueueView
    random: Random

    def of(self, workflow: str) -> float:
        return self.random.choice(self._known(workflow))

    def rest(self, workflow: str, since: float) -> float:
        """How much longer one lasts that runs for so many seconds; of one that has lasted longer
        than any, a tenth of that."""
        longer = [one - since for one in self._known(workflow) if one > since]
        return self.random.choice(longer) if longer else since / 10

    def _known(self, workflow: str) -> Sequence[float]:
        own = self.view.run_times.get(workflow, ())
        if len(own) >= FEW:
            return own
        return [one for some in self.view.run_times.values() for one in some]


def _ends(view: QueueView, durations: _Durations) -> Iterator[tuple[float, str, Band]]:
    """When the slots that are taken become free. Those whose jobs were not read are taken by
    others like them."""
    left = dict(view.taken)
    for one in view.running:
        if left.get((one.client, one.band), 0) > 0:
            left[one.client, one.band] -= 1
            since = max(0.0, (view.at - one.started_at).total_seconds())
            yield durations.rest(one.workflow, since), one.client, one.band
    for (client, band), number in left.items():
        for _ in range(number):
            like = durations.random.choice(view.running) if view.running else None
            lasts = durations.of(like.workflow if like else "")
            yield durations.random.uniform(0, lasts), client, band


def _line(view: QueueView, job: Job, again: Sequence[Waiter]) -> tuple[list[Waiter], int]:
    """All that wait or will come, in the order of their turns, and the place of the job there."""
    waiters = {one.candidate.id: one for one in _waiters(view)}
    waiters[job.id] = _waiter(job, view, 1.0)
    waiters |= {one.candidate.id: one for one in again}
    candidates = [one.candidate for one in waiters.values()]
    turns = (
        in_turn(candidates, view.shares) if view.shares.weights else sorted(candidates, key=_rank)
    )
    line = [waiters[one.id] for one in turns]
    return line, next(n for n, one in enumerate(line) if one.candidate.id == job.id)


def _rank(one: Candidate) -> tuple[bool, int, int, datetime, int]:
    return one.rank


def _waiters(view: QueueView) -> Iterator[Waiter]:
    for job in (*view.first, *view.coming):
        yield _waiter(job, view, 1.0)
    copies = view.copies
    for job in view.behind:
        yield _waiter(job, view, copies)


def _waiter(job: Job, view: QueueView, copies: float) -> Waiter:
    ready = (job.run_at - view.at).total_seconds()
    return Waiter(_candidate(job), job.workflow, max(0.0, ready), copies)


def _again(view: QueueView, job: Job) -> Iterator[Waiter]:
    """Those that will come and go before the job, if the next hours are as the last one was."""
    before = [one for one in view.came if _goes_before(view, one, job)]
    rounds = min(int(HORIZON // PAST), MOST_AGAIN // max(1, len(before)))
    number = 0
    for round_ in range(rounds if before else 0):
        for one in before:
            number += 1
            came = (view.at - max(one.created_at, one.run_at)).total_seconds()
            ready = PAST * (round_ + 1) - min(max(came, 0.0), PAST)
            moment = view.at + timedelta(seconds=ready)
            group = (one.client, one.top_of_queue, one.priority, one.position)
            yield Waiter(
                Candidate(-number, *group, moment), one.workflow, math.nextafter(ready, math.inf)
            )


def _goes_before(view: QueueView, other: Job, job: Job) -> bool:
    """Whether a later job like the other one goes before the job: by its priority or place, or
    since its client has its turns where slots are shared."""
    if other.id == job.id:
        return False
    mine, its = _candidate(job), _candidate(other)
    if its.group != mine.group:
        return its.group < mine.group
    return its.position < mine.position or bool(view.shares.weights and its.client != mine.client)


def _candidate(job: Job) -> Candidate:
    return Candidate(
        job.id, job.client, job.top_of_queue, job.priority, job.position, job.created_at
    )
