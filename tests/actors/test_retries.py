"""Three counters (rule 5): what counts against the retries of a task, by virtual times."""

import trio

from taskengine.testing.virtual import actions_with, instance, workflow


async def test_neither_a_rescue_nor_a_hand_back_uses_up_a_retry(memory_store, autojump_clock):
    """Of two retries, two are left after both."""
    ran = []

    async def unlucky(context):
        ran.append(context.attempt.task.attempt)
        if len(ran) <= 2:
            await trio.sleep_forever()
        raise RuntimeError("no luck")

    flow = workflow(("only", "test.unlucky", {"retry": {"limit": 2, "delay": 1}}))
    actions = actions_with(unlucky=unlucky)
    async with instance(memory_store, actions=actions, drain=1) as one:
        job_id = await one.submit(flow)
        await trio.sleep(1)
    async with instance(memory_store, actions=actions) as two:
        await trio.sleep(3)
        [(old, beat)] = (await memory_store.beats()).items()
        await memory_store.rescue(old, beat, two.now())
        await trio.sleep(30)
        [task] = (await two.job(job_id)).tasks
    assert ran == [1, 2, 3, 4, 5]
    assert (task.state.label, task.failures, task.rescues) == ("failed", 2, 1)
