"""What the recorder sets aside: heavy records and those that meet a lock, by virtual times."""

import trio

from taskengine.actors.recorder import LARGE_RECORD, MAX_FAILURES, UNTELLABLE
from taskengine.model import Ended, HeldUp, JobState, TooHeavy, Written
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import actions_with, instance, workflow
from tests.actors.test_pace import finished


class Heavy(MemoryStore):
    """A batch with what `weighs` is too heavy for it, as for a database that answers all else."""

    def __init__(self, weighs, error=TooHeavy):
        super().__init__()
        self.weighs, self.error, self.taken, self.waited = weighs, error, [], []

    async def record(self, instance, records, now, *, wait=True):
        if any(self.weighs(records, one) for one in records):
            self.waited.append(wait)
            await trio.sleep(1)
            raise self.error("too much")
        self.taken += records
        return await super().record(instance, records, now, wait=wait)


async def telling(context):
    await trio.sleep(1)
    await context.info("at work")
    return {"text": "x" * 2_000}


async def run(store, number=6, seconds=60):
    """So many jobs at once; in what state they are then."""
    async with instance(store, actions=actions_with(tell=telling), work=number) as engine:
        await store.put_setting("", "max_jobs", "100")
        jobs = [await engine.submit(workflow(("one", "test.tell"))) for _ in range(number)]
        await trio.sleep(seconds)
        lines = [[text for _, text in await engine.lines(one)] for one in jobs]
        return [await engine.job(one) for one in jobs], lines


def in_order(lines):
    """The attempt's lines, those of its end behind them."""
    return lines[-3:] == ["at work", "'one' completed successfully", lines[-1]]


async def test_a_batch_that_is_too_heavy_is_written_job_by_job(autojump_clock):
    store = Heavy(lambda records, one: len({each.fence for each in records}) > 1)
    details, lines = await run(store)
    assert store.waited
    assert all(one.job.state is JobState.COMPLETED and not one.job.failed for one in details)
    assert all(map(in_order, lines))
    assert all(one.tasks[0].result for one in details)


async def test_a_job_that_is_too_heavy_is_written_in_smaller_parts(autojump_clock):
    store = Heavy(lambda records, one: len(records) > 2)
    details, lines = await run(store, number=1)
    assert details[0].job.state is JobState.COMPLETED
    assert in_order(lines[0])


async def test_an_end_that_alone_is_too_heavy_says_less_and_holds_up_nobody(autojump_clock):
    """First without what workflow and client add, then without a result, as a failure."""

    def weighs(records, one):
        return isinstance(one, Ended) and one.fence.job_id == 2 and one.result is not None

    store = Heavy(weighs)
    details, _ = await run(store)
    assert [one.job.failed for one in details] == [place == 1 for place in range(6)]
    assert details[1].tasks[0].error == UNTELLABLE
    [end] = [one for one in store.taken if isinstance(one, Ended) and one.fence.job_id == 2]
    assert end.terse
    assert len(store.waited) >= 2 * MAX_FAILURES


async def test_nothing_is_given_up_while_the_database_takes_nothing(autojump_clock):
    """A stall of its disk, say, while it answers questions."""
    store = Heavy(lambda records, one: trio.current_time() < 200)
    store.weighs = lambda records, one: trio.current_time() < 200
    empty = store.record

    async def record(instance, records, now, *, wait=True):
        if not records and trio.current_time() < 200:
            raise TooHeavy("nothing")
        return await empty(instance, records, now, wait=wait)

    store.record = record
    details, lines = await run(store, seconds=400)
    assert all(one.job.state is JobState.COMPLETED and not one.job.failed for one in details)
    assert all(map(in_order, lines))


async def test_a_lock_is_waited_for_and_its_job_keeps_its_end(autojump_clock):
    locked = 50

    def weighs(records, one):
        return one.fence.job_id == 2 and trio.current_time() < locked

    store = Heavy(weighs, HeldUp)
    details, lines = await run(store, seconds=100)
    assert not any(one.job.failed for one in details)
    assert all(map(in_order, lines))
    assert True not in store.waited[2:]  # from then on nobody waits for it


async def test_a_large_end_is_written_by_itself_and_behind_its_lines(autojump_clock):
    store = MemoryStore()
    record, batches = store.record, []

    async def note(instance, records, now, *, wait=True):
        batches.append(records)
        return await record(instance, records, now, wait=wait)

    async def large(context):
        await context.info("at work")
        return {"text": "x" * (LARGE_RECORD + 1)}

    store.record = note
    async with instance(store, actions=actions_with(large=large), work=4) as engine:
        await store.put_setting("", "max_jobs", "100")
        jobs = [await engine.submit(workflow(("one", "test.large"))) for _ in range(4)]
        await finished(engine, jobs)
        for job_id in jobs:
            assert in_order([text for _, text in await engine.lines(job_id)])
    ends = [batch for batch in batches if any(isinstance(one, Ended) for one in batch)]
    assert [len(batch) for batch in ends] == [1] * 4
    assert any(isinstance(one, Written) for batch in batches for one in batch)
