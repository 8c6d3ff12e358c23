"""A database that is away for a while: tasks run on, report, log and end, by virtual times."""

import math

import pytest
import trio

from taskengine.actors.progress import WRITE_PAUSE
from taskengine.actors.reporter import ROOM_DEADLINE, UNWRITTEN_LINES, UNWRITTEN_TEXT
from taskengine.model import Progressed
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import actions_with, instance, workflow

AWAY = 50.0  # seconds


class Away(MemoryStore):
    """What it is asked while it is away it answers when it is back, as a patient store does; notes
    the progress and the lines that it is given, and when."""

    def __init__(self):
        super().__init__()
        self.back_at = -math.inf
        self.progress, self.batches = [], []

    def leave_for(self, seconds):
        self.back_at = trio.current_time() + seconds

    async def _wait(self):
        await trio.sleep_until(max(self.back_at, trio.current_time()))

    async def record(self, instance, records, now, **options):
        await self._wait()
        self.batches.append(len(records))
        self.progress += [
            (trio.current_time(), one.fraction) for one in records if isinstance(one, Progressed)
        ]
        return await super().record(instance, records, now, **options)

    async def claim(self, *given):
        await self._wait()
        return await super().claim(*given)

    async def current(self, *given):
        await self._wait()
        return await super().current(*given)

    async def settings(self, client):
        await self._wait()
        return await super().settings(client)


async def test_forty_tasks_that_report_run_on(autojump_clock):
    """They have 30 s to sleep and 45 s for it; the database is away for 50 s of them."""
    flow = workflow(("only", "core.sleep", {"with": {"seconds": 30}, "timeout": 45}))
    store = Away()
    async with instance(store, work=40) as engine:
        await store.put_setting("", "max_jobs", "100")
        jobs = [await engine.submit(flow) for _ in range(40)]
        await trio.sleep(5)
        store.leave_for(AWAY)
        await trio.sleep(AWAY + 5)
        for one in jobs:
            [task] = (await engine.job(one)).tasks
            assert (task.state.label, task.attempt, task.failures) == ("completed", 1, 0)
    assert max(store.batches) < 1_000  # and not one of all that was ever reported


async def confirming(context):
    await trio.sleep(3)
    await context.confirm()
    await trio.sleep(3)
    return {}


async def failing(context):
    await trio.sleep(3)
    raise RuntimeError("no")


async def noisy(context):
    for number in range(3 * UNWRITTEN_LINES):
        await context.info(f"line {number}")
    await trio.sleep(1)
    return {}


@pytest.mark.parametrize(
    ("action", "state"), [(confirming, "completed"), (noisy, "completed"), (failing, "failed")]
)
async def test_the_time_for_which_it_waits_for_the_database_is_not_its_own(
    autojump_clock, action, state
):
    """A question to the fence, lines, the look at the settings when it fails."""
    store = Away()
    flow = workflow(("only", "test.own", {"timeout": 8, "retry": {"limit": 0}}))
    async with instance(store, actions=actions_with(own=action)) as engine:
        job_id = await engine.submit(flow)
        await trio.sleep(1)
        store.leave_for(AWAY)
        await trio.sleep(AWAY + 10)
        [task] = (await engine.job(job_id)).tasks
        assert (task.state.label, task.attempt) == (state, 1)
        assert "timed out" not in (task.error or "")


async def test_the_own_time_of_an_action_counts_while_the_database_is_away(autojump_clock):
    store = Away()
    flow = workflow(("only", "core.sleep", {"with": {"seconds": 30}, "timeout": 20}))
    async with instance(store) as engine:
        await store.put_setting("", "retry_limit", "0")
        job_id = await engine.submit(flow)
        await trio.sleep(1)
        store.leave_for(AWAY)
        await trio.sleep(AWAY + 5)
        [task] = (await engine.job(job_id)).tasks
        assert (task.state.label, task.error) == ("failed", "timed out")


async def test_a_report_waits_for_nobody_and_the_newest_one_is_written(autojump_clock):
    store, took = Away(), []

    async def reporting(context):
        for number in range(1_001):
            before = trio.current_time()
            await context.progress(number / 2_000)
            took.append(trio.current_time() - before)
            await trio.sleep(0.02)
        await trio.sleep(AWAY)
        return {}

    async with instance(store, actions=actions_with(own=reporting)) as engine:
        job_id = await engine.submit(workflow(("only", "test.own")))
        await trio.sleep(5)
        at_first = [fraction for _, fraction in store.progress]
        store.leave_for(AWAY)
        gone_at = trio.current_time()
        await trio.sleep(AWAY + WRITE_PAUSE)
        [task] = (await engine.job(job_id)).tasks
        assert task.progress == 0.5
    assert max(took) == 0
    assert 8 <= len(at_first) <= 11  # one in half a second
    late = [fraction for when, fraction in store.progress if when > gone_at]
    assert len(late) <= 2
    assert late[-1] == 0.5


async def test_the_last_report_is_written_though_no_other_follows(autojump_clock):
    store = Away()

    async def reporting(context):
        await context.progress(0.1)
        await trio.sleep(WRITE_PAUSE / 5)
        await context.progress(0.9)
        await trio.sleep(10)
        return {}

    async with instance(store, actions=actions_with(own=reporting)) as engine:
        job_id = await engine.submit(workflow(("only", "test.own")))
        await trio.sleep(5)
        assert (await engine.job(job_id)).tasks[0].progress == 0.9
    first, second = [when for when, _ in store.progress]
    assert second - first >= WRITE_PAUSE


@pytest.mark.parametrize(
    ("length", "fitting"), [(10, UNWRITTEN_LINES), (5_000, UNWRITTEN_TEXT // 5_000 + 1)]
)
async def test_lines_that_find_no_room_are_told_of_by_one(autojump_clock, length, fitting):
    """Memory is bounded, the action goes on, and the order is kept."""
    store, blocked = Away(), []
    number = 3 * UNWRITTEN_LINES

    async def noise(context):
        await trio.sleep(5)
        for place in range(number):
            before = trio.current_time()
            await context.info(f"{place} {'x' * length}")
            blocked.append(trio.current_time() - before)
        await trio.sleep(60)
        await context.info("at last")
        return {}

    async with instance(store, actions=actions_with(own=noise)) as engine:
        job_id = await engine.submit(workflow(("only", "test.own")))
        await trio.sleep(1)
        store.leave_for(AWAY)
        await trio.sleep(AWAY - 1)
        recorder = engine.engine.mailboxes.recorder
        assert len(recorder) <= UNWRITTEN_LINES + 5
        await trio.sleep(100)
        [task] = (await engine.job(job_id)).tasks
        lines = [text for name, text in await engine.lines(job_id) if name == "worker"]
    assert task.state.label == "completed"
    assert [seconds for seconds in blocked if seconds] == [ROOM_DEADLINE]
    kept = [text for text in lines if text.endswith("xx")]
    assert len(kept) == fitting
    assert [int(text.split()[0]) for text in kept] == list(range(len(kept)))
    left_out = f"{number - len(kept)} lines were left out: those before waited to be written"
    assert lines[lines.index(kept[-1]) + 1 :] == [
        left_out,
        "at last",
        "'only' completed successfully",
    ]


async def test_what_was_left_out_is_told_of_at_the_end_too(autojump_clock):
    store = Away()

    async def noise(context):
        await trio.sleep(2)
        for place in range(2 * UNWRITTEN_LINES):
            await context.info(f"line {place}")
        raise RuntimeError("enough")

    async with instance(store, actions=actions_with(own=noise)) as engine:
        job_id = await engine.submit(workflow(("only", "test.own", {"retry": {"limit": 0}})))
        await trio.sleep(1)
        store.leave_for(AWAY)
        await trio.sleep(AWAY + 5)
        lines = [text for name, text in await engine.lines(job_id) if name == "worker"]
    assert "lines were left out" in lines[-2]
    assert lines[-1] == "'only' failed: RuntimeError: enough"


async def test_an_attempt_that_is_over_and_unwritten_is_not_to_blame(autojump_clock):
    """Its instance dies while the database takes no ends, but beats."""
    store = Away()
    quick = workflow(("quick", "core.sleep", {"with": {"seconds": 2}}))
    slow = workflow(("slow", "core.sleep", {"with": {"seconds": 100}}))
    async with instance(store, work=2) as engine:
        await store.put_setting("", "max_jobs", "10")
        running, over = await engine.submit(slow), await engine.submit(quick)
        await trio.sleep(1)
        store.leave_for(AWAY)
        await trio.sleep(3.5)  # between two beats
        [(old, beat)] = (await store.beats()).items()
        assert await store.rescue(old, beat, engine.now())
        tasks = [(await engine.job(one)).tasks[0] for one in (running, over)]
        engine.engine.drain.cancel()
    assert [(task.attempt, task.rescues) for task in tasks] == [(1, 1), (1, 0)]
