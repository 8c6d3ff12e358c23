"""Promises of weight: what an actor asks for at once ends in time, with the limits' worst values.

The small form: sizes are cut down to what a test may take, and the bounds with them.
"""

from taskengine.admission import TASKS_EACH
from taskengine.model import Definition, PlannedTask
from taskengine.policy import SYSTEM
from taskengine.testing.contract.world import ACTION, at, done, failed, submission

MANY = 300


def many(number=MANY, needs=()):
    """A workflow of many tasks, each of which needs these."""
    plan = [PlannedTask("first", ACTION, "work")]
    plan += [PlannedTask(f"t{n}", ACTION, "work", needs) for n in range(1, number)]
    content = {"workflow": "many", "tasks": []}
    return Definition(f"many {number} {needs}", "many", content, tuple(plan))


class LongWorkflows:
    async def test_an_admission_writes_so_many_tasks_and_one_job_always(self, world):
        await world.submit(*(submission(many()) for _ in range(5)))
        limit = 2 * MANY // TASKS_EACH
        first = await world.store.admit(world.instance, at(1), limit)
        assert (first.number, first.more) == (2, True)
        [small] = await world.submit(submission(priority=1))
        second = await world.store.admit(world.instance, at(2), limit)
        assert (second.number, second.more) == (2, True)
        assert (await world.states(small))[0] == "started"
        third = await world.store.admit(world.instance, at(3), 1)
        assert (third.number, third.more) == (1, True)
        assert await world.admit() == 1

    async def test_a_job_of_many_tasks_is_held_let_go_and_cancelled(self, world):
        await world.setting(SYSTEM, max_jobs=1)
        job = await world.start(many(needs=(0,)))
        [first] = await world.claim()
        await world.record(done(first))
        [second] = await world.claim(1)
        assert (await world.job(job)).tasks[2].state.label == "queued"
        await world.record(failed(second))
        states = await world.states(job)
        assert states[:3] == ["completed", "completed", "failed"]
        assert states[3:] == ["cancelled"] * (MANY - 2)
        assert await world.admit() == 0
