"""The clean-up beside others at work: what is needed stays, whoever comes meanwhile (rule 1)."""

from functools import partial
from random import Random

from taskengine.model import JobState
from taskengine.store import JobFilter
from taskengine.store.postgres import cleaning, submit
from taskengine.store.postgres.rows import SQL
from taskengine.testing.contract.world import NOON, World, at, submission
from tests.contract.recount import fetch
from tests.contract.test_concurrency import at_once, worlds

__all__ = ["worlds"]  # a fixture

ORPHANS = """
select e.child from edges e join jobs c on c.id = e.child
where c.state not in (2, 4) and not exists (select 1 from jobs p where p.id = e.parent)
"""


class Interrupted:
    """A connection on which a statement takes its time: meanwhile others act."""

    def __init__(self, connection, name, meanwhile):
        self.connection, self.text, self.meanwhile = connection, SQL[name], meanwhile

    def __getattr__(self, name):
        return getattr(self.connection, name)

    async def fetch(self, text, *arguments):
        if text != self.text:
            return await self.connection.fetch(text, *arguments)
        unlocked = text.replace("for update of j skip locked", "")
        rows = await self.connection.fetch(unlocked, *arguments)
        await self.meanwhile()
        return rows


async def test_a_job_that_gets_a_child_after_it_was_chosen_stays(postgres_store):
    world = await World(postgres_store).settle()
    parent, other = await world.submit(submission(), submission(None))
    await world.admit()
    await world.perform(parent)
    pool = postgres_store.pool

    async def have_a_child():
        connection = await pool.connect()
        await submit.submit(connection, submit.prepare([submission(depends_on=[parent])]), NOON, 0)
        connection.terminate()

    async def clear(connection):
        late = Interrupted(connection, "old_jobs", have_a_child)
        return await cleaning.clear_old_jobs(late, at(9), 9, None, 0)

    assert (await pool.run(clear)).number == 1
    left = await world.store.jobs(JobFilter(ascending=True))
    assert [job.id for job in left] == [parent, 3]
    assert await world.store.job(other) is None


async def test_clean_ups_and_submissions_at_once_leave_no_child_alone(worlds):
    first, *_ = worlds
    random, removed = Random(5), []
    parents = []

    async def submit_some():
        for _ in range(30):
            parents.extend(await first.submit(submission(None), submission(run_at=at(10**6))))
            chosen = random.sample(parents, min(3, len(parents)))
            await first.submit(submission(depends_on=chosen), now=at(10**6))

    async def clear(world):
        limits = [random.randint(1, 9) for _ in range(40)]
        removed.extend([await world.store.clear_old_jobs(at(9), limit) for limit in limits])

    await at_once(submit_some, *(partial(clear, world) for world in worlds[1:]))
    removed.append(await first.store.clear_old_jobs(at(9), 500))
    assert sum(one.number for one in removed) == 30  # the refused ones
    assert await fetch(first.store, ORPHANS) == []


async def cleared(store):
    """How many jobs go in each step, until none is left."""
    steps = [await store.clear_old_jobs(at(9), 500)]
    while steps[-1].last is not None:
        steps.append(await store.clear_old_jobs(at(9), 500, steps[-1].last))
    return [one.number for one in steps]


async def test_a_step_has_no_more_rows_than_a_short_transaction_takes(postgres_store, monkeypatch):
    monkeypatch.setattr(cleaning, "MAX_ROWS", 20)
    world = await World(postgres_store).settle()
    for number in (3, 3, 3, 3, 25, 0, 2):
        lines = submission(None, lines=[(1, "api", "line")] * number)
        await world.submit(lines)
    # The job with 25 lines loses 5 of them in a step, until it is light enough.
    assert await cleared(postgres_store) == [4, 0, 0, 3]
    assert await fetch(postgres_store, "select count(*) from logs") == [(0,)]


async def test_a_long_text_counts_as_many_rows(postgres_store, monkeypatch):
    monkeypatch.setattr(cleaning, "MAX_ROWS", 20)
    world = await World(postgres_store).settle()
    for _ in range(3):
        await world.submit(submission(None, submitted={"custom_data": "x" * 30_000}))
    assert await cleared(postgres_store) == [1, 1, 1]


async def test_a_job_with_many_callbacks_goes_in_steps(postgres_store, monkeypatch):
    monkeypatch.setattr(cleaning, "MAX_ROWS", 40)
    world = await World(postgres_store).settle()
    for number in (1, 1, 20, 1):
        urls = [f"http://{place}.test" for place in range(number)]
        await world.perform(await world.start(urls=urls))
        await world.events()
    steps = await cleared(postgres_store)
    assert sum(steps) == 4
    assert steps.count(0) >= 2
    for table in ("lanes", "callbacks", "events", "results"):
        assert await fetch(postgres_store, f"select count(*) from {table}") == [(0,)]


async def test_nothing_of_a_job_is_left_in_any_table(postgres_store):
    world = await World(postgres_store).settle()
    [parent] = await world.submit(submission(urls=["http://a.test"], submitted={"custom_data": 1}))
    await world.admit()
    await world.perform(parent)
    child = await world.start(depends_on=[parent], urls=["http://a.test"])
    await world.perform(child)
    await world.events()
    assert (await world.job(child)).job.state is JobState.COMPLETED
    assert (await world.store.clear_old_jobs(at(9), 9)).number == 2
    for table in (*cleaning.PARTS, "jobs"):
        assert await fetch(postgres_store, f"select count(*) from {table}") == [(0,)], table
