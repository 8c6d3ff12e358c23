"""Stopping, dying and waking: what becomes of the tasks of an instance, by virtual times."""

import uuid

import pytest
import trio

from taskengine.model import Fence, JobState, StoreUnavailable, TaskState
from taskengine.runtime.process import PulseMissed
from taskengine.runtime.pulse import Pulse
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import actions_with, instance, receiver, workflow
from tests.conftest import NOON

LONG = ("long", "core.sleep", {"with": {"seconds": 20}})


async def test_leaving_waits_for_what_runs(memory_store, autojump_clock):
    async with instance(memory_store, drain=30) as engine:
        job_id = await engine.submit(workflow(LONG))
        await trio.sleep(1)
    assert round(trio.current_time(), 1) == 20
    assert (await memory_store.job(job_id)).job.state is JobState.COMPLETED
    assert await memory_store.beats() == {}  # nobody has to rescue it


async def test_what_outlasts_the_drain_is_handed_back_without_a_retry(memory_store, autojump_clock):
    async with instance(memory_store, drain=5) as engine:
        job_id = await engine.submit(workflow(LONG))
        await trio.sleep(1)
    assert round(trio.current_time(), 1) == 6
    [task] = (await memory_store.job(job_id)).tasks
    assert (task.state, task.attempt, task.failures, task.rescues) == (TaskState.QUEUED, 1, 0, 0)
    fate = "attempt 1 was handed back: the engine stopped; the task is queued again"
    assert (await engine.lines(job_id))[-1] == ("worker", fate)


async def test_draining_starts_nothing_new(memory_store, autojump_clock):
    async with instance(memory_store, work=1) as engine:
        jobs = [await engine.submit(workflow(LONG)) for _ in range(2)]
        await trio.sleep(1)
    assert round(trio.current_time(), 1) == 20
    states = [(await memory_store.job(job_id)).job.state for job_id in jobs]
    assert states == [JobState.COMPLETED, JobState.STARTED]


async def test_a_finished_instance_delivers_its_last_callbacks(memory_store, autojump_clock):
    heard = []
    async with instance(memory_store, http=receiver(heard)) as engine:
        await engine.submit(workflow("only"), urls=("http://a.test/",))
        await trio.sleep(0.001)
    assert len(heard) == 3


async def test_a_failing_action_spends_no_restart_of_its_worker(memory_store, autojump_clock):
    flow = workflow(("bad", "core.fail", {"with": {"message": "x"}, "retry": {"limit": 0}}))
    async with instance(memory_store, work=1) as engine:
        jobs = [await engine.submit(flow) for _ in range(20)]
        await trio.sleep(30)
        assert all([(await engine.job(job_id)).job.failed for job_id in jobs])


async def test_the_tasks_of_a_dead_instance_run_again_after_a_lease(memory_store, autojump_clock):
    ran = []

    async def note(context):
        ran.append((context.attempt.task.attempt, trio.current_time()))
        await trio.sleep(100)

    dead = await memory_store.join("dead", None)
    async with instance(memory_store, actions=actions_with(note=note), work=0) as engine:
        job_id = await engine.submit(workflow(("only", "test.note")))
        await trio.sleep(1)
        now = engine.now()
        claimed = await memory_store.claim(dead, "work", ["test.note"], 1, uuid.uuid4(), now)
        assert len(claimed.attempts) == 1
    async with instance(memory_store, actions=actions_with(note=note), drain=0) as engine:
        started = trio.current_time()
        await trio.sleep(30)
        [task] = (await engine.job(job_id)).tasks
        assert (task.attempt, task.rescues, task.failures) == (2, 1, 0)
    [(attempt, time)] = ran
    assert attempt == 2
    assert 15 <= time - started <= 17


class Deaf(MemoryStore):
    """No announcement arrives."""

    async def listen(self):
        await trio.sleep_forever()
        yield ""


@pytest.mark.parametrize(("store", "longest"), [(MemoryStore, 0.1), (Deaf, 1.1)])
async def test_the_tasks_of_an_instance_that_was_seen_to_die_run_again_at_once(
    store, longest, autojump_clock
):
    """At the latest when the beats are read the next time; never before it is known."""
    store, ran, process = store(), [], uuid.uuid4()

    async def note(context):
        ran.append((context.attempt.task.attempt, trio.current_time()))
        await trio.sleep(100)

    doomed = await store.join("doomed", NOON, 1000.0, process)
    actions = actions_with(note=note)
    async with instance(store, actions=actions, work=0, lease=1000, drain=0) as idle:
        job_id = await idle.submit(workflow(("only", "test.note")))
        await trio.sleep(1)
        claim = (doomed, "work", ["test.note"], 1, uuid.uuid4(), idle.now())
        assert len((await store.claim(*claim)).attempts) == 1
    async with instance(store, actions=actions, lease=1000, drain=0) as engine:
        await trio.sleep(200.5)
        assert ran == []
        died = trio.current_time()
        await store.declare_dead(process)
        await trio.sleep(5)
        [(attempt, time)] = ran
        assert (attempt, time - died <= longest) == (2, True)
        fate = "attempt 1 is lost: instance 1 (doomed) died; the task is queued again"
        assert ("controller", fate) in await engine.lines(job_id)


async def test_what_was_dead_before_the_start_is_rescued_at_the_start(memory_store, autojump_clock):
    process = uuid.uuid4()
    async with instance(memory_store, work=0, drain=0) as engine:
        doomed = await memory_store.join("doomed", NOON, 15.0, process)
        job_id = await engine.submit(workflow("only"))
        await trio.sleep(1)
        claim = (doomed, "work", ["core.noop"], 1, uuid.uuid4(), engine.now())
        assert len((await memory_store.claim(*claim)).attempts) == 1
    await memory_store.declare_dead(process)
    async with instance(memory_store) as engine:
        await trio.sleep(0.1)
        assert (await engine.job(job_id)).job.state is JobState.COMPLETED


async def test_an_instance_that_is_called_dead_while_it_lives_gives_all_up(
    memory_store, autojump_clock
):
    """Nobody says so unless it is true; were it not, no task would run twice at a time."""
    ran = []

    async def note(context):
        ran.append(context.attempt.task.attempt)
        await trio.sleep(50)
        ran.append(-context.attempt.task.attempt)

    actions, process = actions_with(note=note), uuid.uuid4()
    async with instance(memory_store, actions=actions, process=process) as engine:
        job_id = await engine.submit(workflow(("only", "test.note")))
        await trio.sleep(7)
        await memory_store.declare_dead(process)
        await trio.sleep(70)
        assert (await engine.job(job_id)).job.state is JobState.COMPLETED
    assert ran == [1, 2, -2]


async def test_a_live_instances_long_task_is_never_started_again(memory_store, autojump_clock):
    seconds = 300  # twenty leases
    flow = workflow(("long", "core.sleep", {"with": {"seconds": seconds}}))
    async with instance(memory_store) as one, instance(memory_store):
        job_id = await one.submit(flow)
        await trio.sleep(seconds + 1)
        [task] = (await one.job(job_id)).tasks
    assert (task.state, task.attempt) == (TaskState.COMPLETED, 1)


async def test_two_instances_share_the_work(memory_store, autojump_clock):
    ran = []

    async def note(context):
        ran.append(context.attempt.job.id)
        await trio.sleep(1)

    actions = actions_with(note=note)
    async with (
        instance(memory_store, actions=actions) as one,
        instance(memory_store, actions=actions),
    ):
        await memory_store.put_setting("", "max_jobs", "100")
        for _ in range(12):
            await one.submit(workflow(("only", "test.note")))
        await trio.sleep(60)
    assert sorted(ran) == list(range(1, 13))


async def test_an_instance_declared_dead_drops_its_work_and_joins_anew(
    memory_store, autojump_clock
):
    ran = []

    async def note(context):
        ran.append((context.attempt.task.attempt, trio.current_time()))
        await trio.sleep(50)

    async with instance(memory_store, actions=actions_with(note=note)) as engine:
        job_id = await engine.submit(workflow(("only", "test.note")))
        await trio.sleep(7)
        old = engine.engine.state.instance
        [beat] = (await memory_store.beats()).values()
        await memory_store.rescue(old, beat, engine.now())
        fate = "attempt 1 is lost: instance 1 (test) did not answer for 15 s"
        assert ("controller", f"{fate}; the task is queued again") in await engine.lines(job_id)
        await trio.sleep(20)
        assert engine.engine.state.instance != old
        await trio.sleep(60)
        [task] = (await engine.job(job_id)).tasks
    assert [attempt for attempt, _ in ran] == [1, 2]
    assert (task.state, task.attempt) == (TaskState.COMPLETED, 2)


async def test_a_claim_that_nobody_runs_is_handed_back(memory_store, autojump_clock):
    async with instance(memory_store, work=0) as engine:
        job_id = await engine.submit(workflow("only"))
        await trio.sleep(1)
        mine = engine.engine.state.instance
        await memory_store.claim(mine, "work", ["core.noop"], 1, uuid.uuid4(), engine.now())
        await trio.sleep(11)
        [task] = (await engine.job(job_id)).tasks
        fate = "was handed back: the answer to its claim was lost; the task is queued again"
        assert (await engine.lines(job_id))[-1] == ("worker", f"attempt 1 {fate}")
    assert (task.state, task.attempt, task.failures) == (TaskState.QUEUED, 1, 0)


class Outage(MemoryStore):
    """A store whose database is away while `away` is set."""

    away = False

    async def beats(self):
        if self.away:
            raise StoreUnavailable("away")
        return await super().beats()

    async def beat(self, instance):
        if self.away:
            raise StoreUnavailable("away")
        return await super().beat(instance)


async def test_an_outage_longer_than_a_lease_kills_nobody(autojump_clock):
    store = Outage()
    flow = workflow(("long", "core.sleep", {"with": {"seconds": 200}}))
    async with instance(store) as one, instance(store):
        job_id = await one.submit(flow)
        await trio.sleep(5)
        store.away = True
        await trio.sleep(100)
        store.away = False
        await trio.sleep(100)
        [task] = (await one.job(job_id)).tasks
    assert (task.state, task.attempt) == (TaskState.COMPLETED, 1)


class WaitsForTheDatabase(MemoryStore):
    """A patient store whose database is away while `away` is set."""

    away = False

    async def record(self, *arguments):
        while self.away:
            await trio.sleep(0.5)
        return await super().record(*arguments)


async def test_a_task_that_ends_during_an_outage_is_not_run_again(autojump_clock):
    store = WaitsForTheDatabase()
    async with instance(store) as engine:
        job_id = await engine.submit(workflow(LONG))
        await trio.sleep(10)
        store.away = True
        await trio.sleep(100)
        store.away = False
        await trio.sleep(20)
        [task] = (await engine.job(job_id)).tasks
    assert (task.state, task.attempt) == (TaskState.COMPLETED, 1)


async def test_a_stale_attempt_may_not_publish(memory_store, autojump_clock):
    published = []

    async def publish(context):
        await trio.sleep(10)
        await context.confirm()
        published.append(context.attempt.task.attempt)

    async with instance(memory_store, actions=actions_with(publish=publish)) as engine:
        job_id = await engine.submit(workflow(("only", "test.publish")))
        await trio.sleep(9.5)
        [beat] = (await memory_store.beats()).values()
        await memory_store.rescue(engine.engine.state.instance, beat, engine.now())
        await trio.sleep(60)
        [task] = (await engine.job(job_id)).tasks
    assert published == [2]
    fence = Fence(job_id, task.id, 1)
    assert not await memory_store.current(1, fence)


@pytest.mark.parametrize("within", [lambda error: error, lambda error: ExceptionGroup("", [error])])
async def test_an_attempt_whose_engine_stood_still_is_handed_back(
    memory_store, autojump_clock, within
):
    ran = []

    async def note(context):
        ran.append(context.attempt.task.attempt)
        if len(ran) == 1:
            raise within(PulseMissed())

    flow = workflow(("only", "test.note", {"retry": {"limit": 0}}))
    async with instance(memory_store, actions=actions_with(note=note)) as engine:
        job_id = await engine.submit(flow)
        await trio.sleep(5)
        [task] = (await engine.job(job_id)).tasks
        fate = "attempt 1 is lost: PulseMissed: the engine stood still for longer than its lease"
        assert ("worker", f"{fate}; the task is queued again") in await engine.lines(job_id)
    assert ran == [1, 2]
    assert (task.state, task.failures) == (TaskState.COMPLETED, 0)


async def test_a_dismissed_instance_has_its_children_killed_at_once(
    memory_store, autojump_clock, monkeypatch
):
    cuts = []
    monkeypatch.setattr(Pulse, "cut", lambda self: cuts.append(trio.current_time()))
    async with instance(memory_store) as engine:
        await engine.submit(workflow(LONG))
        await trio.sleep(7)
        [beat] = (await memory_store.beats()).values()
        await memory_store.rescue(engine.engine.state.instance, beat, engine.now())
        assert cuts == []
        await trio.sleep(5)
    assert len(cuts) == 1


class AnswersLate(MemoryStore):
    """Its first answer of a fence is read late: the instance was stopped on the way."""

    late = True

    async def current(self, instance, fence):
        answer = await super().current(instance, fence)
        if self.late:
            self.late = False
            [beat] = (await self.beats()).values()
            await self.rescue(instance, beat, NOON)
            await trio.sleep(3)
        return answer


async def test_an_old_answer_of_the_fence_lets_nobody_publish(autojump_clock):
    published = []

    async def publish(context):
        await context.confirm()
        published.append(context.attempt.task.attempt)

    async with instance(AnswersLate(), actions=actions_with(publish=publish)) as engine:
        await engine.submit(workflow(("only", "test.publish")))
        await trio.sleep(60)
    assert published == [2]
