"""Who waits for whom under load: workers, recorder and controller, by virtual times."""

import math

import trio

from taskengine.actors.workspace_cleaner import WorkspaceCleaner
from taskengine.messages import Wake
from taskengine.model import Ended, JobState
from taskengine.policy import SYSTEM
from taskengine.runtime.mailbox import Mailbox
from taskengine.store.memory import MemoryStore
from taskengine.testing.actions import NOON
from taskengine.testing.virtual import actions_with, instance, workflow

SLOW = 10.0  # seconds


class SlowJournal(MemoryStore):
    """Each batch of records takes long to be written; those of the first `crashes` are lost."""

    crashes = 0

    def __init__(self):
        super().__init__()
        self.batches = []

    async def record(self, instance, records, now, **options):
        self.batches.append(sum(isinstance(one, Ended) for one in records))
        await trio.sleep(SLOW)
        if self.batches[-1] and self.crashes:
            self.crashes -= 1
            raise RuntimeError("a bug of the recorder's")
        return await super().record(instance, records, now, **options)


async def finished(engine, jobs, seconds=math.inf):
    with trio.fail_after(seconds):
        for job_id in jobs:
            while (await engine.job(job_id)).job.state is not JobState.COMPLETED:
                await trio.sleep(0.1)


async def test_a_worker_goes_on_while_its_ends_are_written(autojump_clock):
    store = SlowJournal()
    started = []

    async def quick(context):
        started.append(trio.current_time())
        return {}

    async with instance(store, actions=actions_with(quick=quick), work=1) as engine:
        await store.put_setting(SYSTEM, "max_jobs", "40")
        jobs = [await engine.submit(workflow(("one", "test.quick"))) for _ in range(10)]
        await finished(engine, jobs)
        assert started[-1] - started[0] < SLOW, "it waited for none of the ends before"
        assert max(store.batches) >= 9, "which were written at once"
        assert not engine.engine.state.running


async def test_ends_that_wait_to_be_written_are_bounded(autojump_clock):
    """16 of a worker: what a crash of the engine has run again at the most (decision 11). What
    lies on the desk has not begun."""
    store = SlowJournal()
    listed = []

    async def quick(context):
        unwritten = [
            one for one in engine.engine.state.running.values() if one.over_since < math.inf
        ]
        listed.append(len(unwritten) + 1)  # and this one
        return {}

    async with instance(store, actions=actions_with(quick=quick), work=1) as engine:
        await store.put_setting(SYSTEM, "max_jobs", "40")
        jobs = [await engine.submit(workflow(("one", "test.quick"))) for _ in range(30)]
        await finished(engine, jobs)
        assert max(listed) == 16


async def test_an_end_is_told_again_to_a_recorder_that_crashed_with_it(autojump_clock):
    store = SlowJournal()
    store.crashes = 2
    runs = []

    async def counted(context):
        runs.append(context.attempt.task.attempt)
        return {}

    async with instance(store, actions=actions_with(counted=counted), work=1) as engine:
        job = await engine.submit(workflow(("one", "test.counted")))
        await finished(engine, [job])
        assert runs == [1]


class SlowAdmission(MemoryStore):
    def __init__(self):
        super().__init__()
        self.looks = []

    async def admit(self, instance, now, limit=500):
        self.looks.append(trio.current_time())
        await trio.sleep(0.01)
        return await super().admit(instance, now, limit)


async def test_a_controller_rests_in_proportion_so_that_an_admission_finds_more_slots(
    autojump_clock,
):
    store = SlowAdmission()

    async def short(context):
        await trio.sleep(0.002)
        return {}

    async with instance(store, actions=actions_with(short=short), work=2) as engine:
        await store.put_setting(SYSTEM, "max_jobs", "4")
        flow = workflow(("one", "test.short"))
        await trio.sleep(1)
        first, looks = await engine.submit(flow), len(store.looks)
        await finished(engine, [first], 0.5)
        assert len(store.looks) >= looks, "the first hint is followed at once"
        jobs = [await engine.submit(flow) for _ in range(40)]
        looks = len(store.looks)
        began = trio.current_time()
        await finished(engine, jobs)
        assert len(store.looks) - looks <= 2 + (trio.current_time() - began) / 0.03


class SlowStorage:
    """Listing its folders takes a while."""

    def __init__(self):
        self.looks = []

    async def folders(self, *_):
        self.looks.append(trio.current_time())
        await trio.sleep(0.05)
        return []


async def test_a_burst_of_ends_does_not_make_a_look_at_the_workspaces_each(autojump_clock):
    storage = SlowStorage()
    async with trio.open_nursery() as nursery:
        with Mailbox[Wake](1) as mailbox:
            cleaner = WorkspaceCleaner(MemoryStore(), storage, lambda: NOON)
            nursery.start_soon(cleaner.run, mailbox)
            for _ in range(1000):
                await trio.sleep(0.01)
                mailbox.address.hint(Wake())
            await trio.sleep(2)
            nursery.cancel_scope.cancel()
    assert 10 <= len(storage.looks) <= 12
