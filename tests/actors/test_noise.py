"""A task that writes without end is slowed, not its siblings, and its log stays short."""

import trio

from taskengine.actors.reporter import LINE_BURST, LINE_RATE
from taskengine.actors.tree import QUEUED_SUBMISSIONS
from taskengine.store import log_retention
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import actions_with, instance, workflow

LINES = 8_000


class SlowStore(MemoryStore):
    """Each batch of records takes a while; notes how large they are."""

    def __init__(self):
        super().__init__()
        self.batches = []

    async def record(self, instance, records, now, **options):
        self.batches.append(len(records))
        await trio.sleep(0.05)
        return await super().record(instance, records, now, **options)


async def until_completed(one, job_id):
    while (await one.job(job_id)).job.state.label != "completed":
        await trio.sleep(0.1)
    return trio.current_time()


async def test_a_noisy_task_holds_up_nobody_and_fills_nothing(autojump_clock, monkeypatch):
    monkeypatch.setattr(log_retention, "KEPT", 2_000)
    written = 0

    async def noise(context):
        nonlocal written
        while written < LINES:
            await context.info(f"line {written}")
            written += 1
        return {}

    async def quiet(context):
        await context.info("said at once")
        return {}

    actions = actions_with(noise=noise, quiet=quiet)
    store = SlowStore()
    async with instance(store, actions=actions) as one:
        noisy = await one.submit(workflow(("noise", "test.noise"), name="noisy"))
        await trio.sleep(1)
        assert 0 < written < LINE_BURST + 2 * LINE_RATE
        start = trio.current_time()
        other = await one.submit(workflow(("quiet", "test.quiet"), name="quiet"))
        assert await until_completed(one, other) - start < 1
        ended = await until_completed(one, noisy)
        assert ended >= (LINES - LINE_BURST) / LINE_RATE  # at the pace of the long run
        lines = await one.lines(noisy)
        assert len(lines) <= 2_010
        [notice] = [text for name, text in lines if name == "recorder"]
        assert notice.endswith("older lines were removed: a log keeps 2000")
        assert ("worker", f"line {LINES - 1}") in lines
    assert max(store.batches) <= QUEUED_SUBMISSIONS
