"""Brief tasks are claimed before a worker is free for them, on virtual time."""

from collections import Counter

import trio

from taskengine.actors.desk import HORIZON, LONG, MAX_AHEAD, OVERDUE
from taskengine.model import JobState
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import actions_with, instance, workflow

BRIEF = 0.001  # seconds


class Counting(MemoryStore):
    """Remembers how much each claim wanted and got."""

    def __init__(self):
        super().__init__()
        self.claims = []

    async def claim(self, *given):
        claimed = await super().claim(*given)
        self.claims.append((given[3], given[6].number, len(claimed.attempts)))
        return claimed


def sleeping(started, seconds):
    """An action that notes when it begins."""

    async def sleep(context):
        started.append((trio.current_time(), context.attempt.job.id))
        await trio.sleep(seconds)
        return {}

    return sleep


async def many(engine, number, action="test.brief", **more):
    flow = workflow(("only", action))
    return [await engine.submit(flow, **more) for _ in range(number)]


async def test_a_backlog_of_brief_tasks_takes_few_claims(autojump_clock):
    store, started = Counting(), []
    await store.put_setting("", "max_jobs", "1000")
    async with instance(store, actions=actions_with(brief=sleeping(started, BRIEF))) as engine:
        await many(engine, 500)
        await trio.sleep(60)
    assert len(started) == 500
    assert max(Counter(job for _, job in started).values()) == 1
    assert len([got for *_, got in store.claims if got]) < 60  # it was 250, for two workers


async def test_what_takes_long_is_claimed_for_idle_workers_alone(autojump_clock):
    store, started = Counting(), []
    async with instance(store, actions=actions_with(long=sleeping(started, 2 * LONG))) as engine:
        await many(engine, 20, "test.long")
        await trio.sleep(60)
    assert len(started) == 20
    assert all(got <= idle for idle, _, got in store.claims[1:])


async def test_an_urgent_task_begins_within_the_horizon(autojump_clock):
    store, started = Counting(), []
    await store.put_setting("", "max_jobs", "1000")
    async with instance(store, actions=actions_with(brief=sleeping(started, 0.01))) as engine:
        await many(engine, 300)
        await trio.sleep(0.5)
        [urgent] = await many(engine, 1, priority=1)
        submitted = trio.current_time()
        await trio.sleep(60)
    [begun] = [when for when, job in started if job == urgent]
    assert begun - submitted < 2 * HORIZON


async def test_what_waits_for_a_busy_worker_is_handed_back(autojump_clock):
    """Brief once is not brief always: others may have room for what lies on the desk."""
    store, seconds, started = MemoryStore(), [BRIEF], []
    await store.put_setting("", "max_jobs", "1000")

    async def changing(context):
        started.append(context.attempt.job.id)
        await trio.sleep(seconds[0])
        return {}

    async with instance(store, actions=actions_with(brief=changing)) as engine:
        await many(engine, 200)
        await trio.sleep(0.02)
        seconds[0] = 30.0
        await trio.sleep(OVERDUE + 0.1)
        held = (await store.beat(engine.engine.state.instance)).held
        assert len(held) == 2  # those that the workers run
        assert engine.engine.state.running.keys() == held
        seconds[0] = BRIEF
        await trio.sleep(90)
    assert max(Counter(started).values()) == 1
    assert len(started) == 200


async def stopped_amid(seconds):
    """An instance of two workers stops while each attempt takes so long and tasks lie on its desk:
    the first tasks, those that were claimed, and those that began."""
    store, started, duration = MemoryStore(), [], [BRIEF]
    await store.put_setting("", "max_jobs", "1000")

    async def changing(context):
        started.append(context.attempt.job.id)
        await trio.sleep(duration[0])
        return {}

    async with instance(store, actions=actions_with(brief=changing)) as engine:
        ids = await many(engine, 300)
        await trio.sleep(0.05)
        duration[0] = seconds
        await trio.sleep(3 * BRIEF)
        claimed = {fence.job_id for fence in engine.engine.state.running}
    return {job_id: (await store.job(job_id)).tasks[0] for job_id in ids}, claimed, started


async def test_a_stop_waits_for_what_lies_on_the_desk(autojump_clock):
    tasks, claimed, started = await stopped_amid(BRIEF)
    assert len(claimed) > 2
    assert 2 < len(started) < len(tasks)
    for job_id, task in tasks.items():
        assert task.state.label == ("completed" if job_id in started else "queued")
        assert (task.attempt, task.rescues) == (1 if job_id in started else 0, 0)
    assert claimed <= set(started)


async def test_a_stop_hands_back_what_no_worker_comes_for(autojump_clock):
    tasks, claimed, started = await stopped_amid(2.0)
    back = claimed - set(started)
    assert len(back) > 2
    assert Counter(started).most_common(1)[0][1] == 1
    for job_id, task in tasks.items():
        assert task.state.label == ("completed" if job_id in started else "queued")
        assert task.rescues == 0
    assert {tasks[job_id].attempt for job_id in back} == {1}


async def test_a_job_broken_while_its_task_lies_on_the_desk_does_not_run(autojump_clock):
    store, started = MemoryStore(), []
    await store.put_setting("", "max_jobs", "1000")
    async with instance(store, actions=actions_with(brief=sleeping(started, 0.01))) as engine:
        ids = await many(engine, 300)
        await trio.sleep(0.3)
        begun = {job for _, job in started}
        listed = {fence.job_id for fence in engine.engine.state.running}
        waiting = sorted((listed & set(ids)) - begun)
        assert 2 < len(waiting) <= MAX_AHEAD
        last = waiting[-1]
        await store.change(last, {"queue_state": JobState.BROKEN}, (), engine.now())
        engine.engine.mailboxes.announce_change()
        await trio.sleep(60)
    assert last not in {job for _, job in started}
    assert (await store.job(last)).tasks[0].state.label == "cancelled"
    assert len(started) == 299
