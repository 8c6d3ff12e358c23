"""Starts that are foretold over a whole day, on virtual time, from what a store tells."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from random import Random

from taskengine.jobs.forecast import foretold, is_right
from taskengine.model import Attempt, JobState
from taskengine.policy import SYSTEM
from taskengine.store.memory import MemoryStore
from taskengine.testing.contract.world import World, at, definition, done, submission
from tests.jobs.day import LASTS, DayJob, day, lasts

PLANS = {name: definition([], name=name) for name in LASTS}
BEFORE = 20  # jobs of each workflow that ended the day before
LONG = timedelta(minutes=20)  # of a wait
DAYS = 2
SETTINGS = {"max_jobs": 8, "priority_slots": 1, "priority_threshold": 3}


@dataclass
class House:
    """A store whose jobs run as long as they last."""

    world: World
    lasting: dict[int, float] = field(default_factory=dict)  # seconds, by job
    started: dict[int, datetime] = field(default_factory=dict)
    foretold: dict[int, tuple[datetime, datetime]] = field(default_factory=dict)  # made when

    async def run(self, jobs: list[DayJob]) -> None:
        moments = [(job.at, number, job) for number, job in enumerate(jobs)]
        heapify(moments)
        while moments:
            seconds, number, what = heappop(moments)
            if isinstance(what, Attempt):
                await self.world.record(done(what, at(seconds)))
            else:
                await self._submit(what)
            await self.world.admit(at(seconds))
            for attempt in await self.world.claim(100, at(seconds)):
                self.started[attempt.job.id] = at(seconds)
                end = seconds + self.lasting[attempt.job.id]
                heappush(moments, (end, len(jobs) + attempt.job.id, attempt))
            if isinstance(what, DayJob):
                await self._foretell(number, at(seconds))

    async def _submit(self, job: DayJob) -> None:
        fields = {"client": job.client, "priority": job.priority, "workflow": job.workflow}
        given = submission(PLANS[job.workflow], **fields)
        [job_id] = await self.world.submit(given, now=at(job.at))
        self.lasting[job_id] = job.lasts

    async def _foretell(self, number: int, now: datetime) -> None:
        """For the job that was submitted just now, if it waits."""
        job = (await self.world.job(max(self.lasting))).job
        if job.state is JobState.QUEUED:
            forecast = foretold(await self.world.store.queue_view(now), job)
            assert forecast is not None
            self.foretold[job.id] = (now, forecast.start_at)


def day_before() -> list[DayJob]:
    """Some jobs of each workflow, one after another."""
    random, names = Random(1), [*LASTS] * BEFORE
    return [
        DayJob(-86_400.0 + 1000 * number, "news", name, 5, lasts(name, random))
        for number, name in enumerate(names)
    ]


async def foretold_on(store: MemoryStore, jobs: list[DayJob]) -> tuple[House, dict[int, bool]]:
    """The house after such a day; of the jobs that had to wait, whether their forecasts were
    right."""
    world = await World(store).settle()
    await world.setting(SYSTEM, **SETTINGS)
    house = House(world)
    await house.run(day_before())
    house.foretold.clear()
    await house.run(jobs)
    forecasts = house.foretold.items()
    return house, {job_id: is_right(*told, house.started[job_id]) for job_id, told in forecasts}


async def test_most_starts_of_a_day_are_foretold_within_20_percent_of_the_wait():
    long: list[bool] = []
    for number in range(DAYS):
        jobs = day(number)
        house, waited = await foretold_on(MemoryStore(), jobs)
        at_once = len(jobs) - len(waited)
        assert at_once + sum(waited.values()) >= 0.8 * len(jobs)
        for job_id, right in waited.items():
            if house.started[job_id] - house.foretold[job_id][0] > LONG:
                long.append(right)
    assert sum(long) >= 0.8 * len(long) > 100
