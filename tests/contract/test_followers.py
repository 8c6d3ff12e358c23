"""Whoever follows a log by the id of the last line misses none, whoever writes and whatever else
runs in the database (rule 18)."""

import asyncio

import trio
from trio_asyncio import aio_as_trio

from taskengine.model import Began, Written
from taskengine.store.postgres.outbox import deliver
from taskengine.testing.contract.world import ONE, at, delivery, submission
from tests.conftest import NOON
from tests.contract.test_concurrency import at_once, worlds  # noqa: F401

ROUNDS = 25
WAITING = "select count(*) from pg_locks where not granted"
AT_LEISURE = "set idle_in_transaction_session_timeout = 0"


async def new_lines(world, job_id, after):
    return [line async for page in world.store.log(job_id, after=after) for line in page]


class Follower:
    def __init__(self, world, job_id):
        self.world, self.job_id = world, job_id
        self.lines = []

    async def look(self):
        after = self.lines[-1].id if self.lines else 0
        self.lines += await new_lines(self.world, self.job_id, after)

    @property
    def texts(self):
        return [line.message for line in self.lines]


async def called_job(world):
    """A job whose callback is on its way to its URL, and its attempt."""
    job_id = await world.start(urls=[ONE])
    [attempt] = await world.claim()
    await world.record(Began(attempt.fence, NOON))
    [lane] = await world.lanes(at(1))
    return job_id, attempt, lane


async def test_two_writers_that_commit_out_of_order_lose_no_line(worlds):  # noqa: F811
    """A delivery has written its line and is slow to commit; the job's task writes meanwhile."""
    first, second, third = worlds[:3]
    job_id, attempt, lane = await called_job(first)
    follower = Follower(third, job_id)
    steps = []

    async def slow(connection):
        await connection.execute(AT_LEISURE)
        await deliver(connection, first.instance, [delivery(lane, 0, NOON)])
        steps.append("written")
        while "commit" not in steps:
            await asyncio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.store.pool.run, slow)
        while not steps:
            await trio.sleep(0.01)
        line = Written(attempt.fence, NOON, "written meanwhile")
        nursery.start_soon(lambda: second.record(line, instance=first.instance))
        probe = await aio_as_trio(third.store.pool.connect)()
        while not await aio_as_trio(probe.fetchval)(WAITING):
            await trio.sleep(0.01)
        await aio_as_trio(probe.close)()
        await follower.look()
        assert follower.texts == []
        steps.append("commit")
    await follower.look()
    assert len(follower.texts) == 2
    assert follower.texts[1] == "written meanwhile"


async def test_a_follower_reads_what_others_read(worlds):  # noqa: F811
    """Tasks and deliveries of many jobs write at once; followers see each line once, in order."""
    first, second = worlds[:2]
    jobs = [await called_job(first) for _ in range(4)]
    followers = [Follower(worlds[2], job_id) for job_id, *_ in jobs]
    writing = len(jobs)

    async def write(attempt):
        nonlocal writing
        for number in range(ROUNDS):
            await first.record(Written(attempt.fence, NOON, f"{number}"))
        writing -= 1

    async def call(lane):
        """Each try of an undelivered callback would have a line of its own, were it the first."""
        for number in range(ROUNDS):
            await second.store.pool.run(
                lambda one: one.execute(
                    "update callbacks set attempts = 0, delivered_at = null where lane_id = $1",
                    lane.id,
                )
            )
            await second.store.deliver(first.instance, [delivery(lane, 0, at(number))])
            await second.store.pool.run(
                lambda one: one.execute(
                    "update lanes set holder = $1 where id = $2", first.instance, lane.id
                )
            )

    async def follow():
        while writing:
            for follower in followers:
                await follower.look()

    calls = [lambda lane=lane: call(lane) for _, _, lane in jobs]
    writes = [lambda attempt=attempt: write(attempt) for _, attempt, _ in jobs]
    await at_once(follow, *calls, *writes)
    for follower in followers:
        await follower.look()
        assert follower.texts == [text for _, _, text in await first.lines(follower.job_id)]
        assert len(follower.texts) >= ROUNDS


async def test_a_long_transaction_of_somebody_else_holds_up_no_follower(worlds):  # noqa: F811
    first, second = worlds[:2]
    job_id, attempt, _ = await called_job(first)
    follower = Follower(second, job_id)
    other = await aio_as_trio(second.store.pool.connect)()
    await aio_as_trio(other.execute)(AT_LEISURE)
    await aio_as_trio(other.execute)("begin; insert into settings values ('a', 'b', 'c')")
    await first.record(Written(attempt.fence, NOON, "at once"))
    await follower.look()
    assert follower.texts == ["at once"]
    await aio_as_trio(other.close)()


async def test_a_change_that_commits_late_is_told(worlds):  # noqa: F811
    """A transaction has a lower number than others that were read before it committed; one of
    somebody else stays open all the while."""
    first, second = worlds[:2]
    one, two, three = await first.submit(submission(), submission(), submission())
    mark = (await second.store.news(None, 9)).mark
    other, late = [await aio_as_trio(second.store.pool.connect)() for _ in range(2)]
    for connection in (other, late):
        await aio_as_trio(connection.execute)(AT_LEISURE)
    await aio_as_trio(other.execute)("begin; insert into settings values ('a', 'b', 'c')")
    prepare = "begin; update jobs set priority = 2, changed = pg_current_xact_id() where id = "
    await aio_as_trio(late.execute)(prepare + str(one))
    await first.store.change(two, {"priority": 3}, [], NOON)
    told = await second.store.news(mark, 9)
    assert [(each.job.id, each.job.priority) for each in told.changes] == [(two, 3)]
    await first.store.change(three, {"priority": 4}, [], NOON)
    await aio_as_trio(late.execute)("commit")
    told = await second.store.news(told.mark, 9)
    assert [(each.job.id, each.job.priority) for each in told.changes] == [(one, 2), (three, 4)]
    assert (await second.store.news(told.mark, 9)).changes == []
    for connection in (late, other):
        await aio_as_trio(connection.close)()


async def test_a_change_that_commits_between_two_pages_is_told(worlds):  # noqa: F811
    """Each page's mark names the transactions that were under way."""
    first, second = worlds[:2]
    jobs = await first.submit(submission(), submission(), submission())
    mark = (await second.store.news(None, 9)).mark
    late = await aio_as_trio(second.store.pool.connect)()
    prepare = "begin; update jobs set position = 7, changed = pg_current_xact_id() where id = "
    await aio_as_trio(late.execute)(prepare + str(jobs[0]))
    for job_id in jobs[1:]:
        await first.store.change(job_id, {"priority": 3}, [], NOON)
    page = await second.store.news(mark, 1)
    assert ([each.job.id for each in page.changes], page.more) == ([jobs[1]], True)
    await aio_as_trio(late.execute)("commit")
    told = await second.store.news(page.mark, 9)
    assert sorted(each.job.id for each in told.changes) == [jobs[0], jobs[2]]
    await aio_as_trio(late.close)()
