"""Updates and reruns on one instance beside what another does at that moment."""

from functools import partial

import pytest

from taskengine.model import BadInput
from taskengine.policy import SYSTEM
from taskengine.testing.contract.dependencies import child_of, rerun, state
from taskengine.testing.contract.updates import BROKEN, PAUSED, QUEUED, change
from taskengine.testing.contract.world import PAIR, done, failed, submission
from tests.contract.test_concurrency import at_once, worlds  # noqa: F401 - a fixture

ROUNDS = 25


async def attempted(call):
    """An update that may come too late."""
    try:
        return await call()
    except BadInput:
        return None


@pytest.mark.parametrize("end", [done, failed])
async def test_a_child_is_run_again_while_its_parent_ends(worlds, end):  # noqa: F811
    one, two = worlds[:2]
    for _ in range(ROUNDS):
        parent = await one.start()
        [attempt] = await one.claim()
        child = await child_of(one, parent)
        made = []

        async def run_again(child=child, made=made):
            made.append(await attempted(partial(rerun, two, child)))

        await at_once(partial(one.record, end(attempt)), run_again)
        for job_id in [child, *filter(None, made)]:
            assert await state(one, job_id) in ("broken", "queued")
        for job_id in filter(None, made):
            expected = "queued" if end is done else "broken"
            assert await state(one, job_id) == expected
            await attempted(partial(change, one, job_id, BROKEN))


async def test_a_started_job_is_run_again_while_it_ends(worlds):  # noqa: F811
    one, two = worlds[:2]
    for _ in range(ROUNDS):
        job_id = await one.start(PAIR)
        ends = [done(attempt) for attempt in await one.claim()]
        await at_once(partial(one.record, *ends), partial(rerun, two, job_id))
        new = (await one.job(job_id)).rerun_as
        assert [await state(one, each) for each in (job_id, new)] == ["broken", "queued"]
        await change(one, new, BROKEN)


async def test_two_reruns_at_once_make_one_job(worlds):  # noqa: F811
    for _ in range(ROUNDS):
        job_id = await worlds[0].start()
        made = []

        async def run_again(world, job_id=job_id, made=made):
            made.append(await rerun(world, job_id))

        await at_once(*(partial(run_again, world) for world in worlds))
        assert len(set(made)) == 1
        await change(worlds[0], made[0], BROKEN)


@pytest.mark.parametrize("asked", [BROKEN, PAUSED])
async def test_a_parent_ends_while_its_child_is_changed(worlds, asked):  # noqa: F811
    one, two = worlds[:2]
    for _ in range(ROUNDS):
        parent = await one.start()
        [attempt] = await one.claim()
        child = await child_of(one, parent)
        await at_once(
            partial(one.record, failed(attempt)),
            partial(attempted, partial(change, two, child, asked)),
        )
        assert await state(one, child) == "broken"
        assert len(await one.lines(child)) == 1


async def test_a_child_is_submitted_while_its_parent_ends(worlds):  # noqa: F811
    one, two = worlds[:2]
    for end, reached in [(done, "queued"), (failed, "broken")] * ROUNDS:
        parent = await one.start()
        [attempt] = await one.claim()
        made = []

        async def submit(parent=parent, made=made):
            made.append(await child_of(two, parent))

        await at_once(partial(one.record, end(attempt)), submit)
        assert await state(one, made[0]) == reached
        await attempted(partial(change, one, made[0], BROKEN))


async def test_a_job_is_paused_and_resumed_while_others_work_on_it(worlds):  # noqa: F811
    one, two, three, four = worlds
    await one.setting(SYSTEM, max_jobs=3)
    ids = await one.submit(*(submission(PAIR) for _ in range(12)))

    async def work(world):
        for _ in range(40):
            await world.admit()
            for attempt in await world.claim(2):
                await world.record(done(attempt))

    async def disturb():
        for _ in range(6):
            for job_id in ids:
                await attempted(partial(change, four, job_id, PAUSED))
                await attempted(partial(change, four, job_id, QUEUED))

    await at_once(*(partial(work, world) for world in (one, two, three)), disturb)
    for job_id in ids:
        await attempted(partial(change, one, job_id, QUEUED))
    await work(one)
    for job_id in ids:
        assert await one.states(job_id) == ["completed", "completed", "completed"]


async def test_jobs_are_stopped_while_they_are_admitted(worlds):  # noqa: F811
    one, two = worlds[:2]
    await one.setting(SYSTEM, max_jobs=4)
    for _ in range(ROUNDS):
        ids = await one.submit(*(submission() for _ in range(4)))
        await at_once(one.admit, *(partial(change, two, job_id, BROKEN) for job_id in ids))
        for job_id in ids:
            assert set(await one.states(job_id)) <= {"broken", "cancelled"}
    await one.submit(*(submission() for _ in range(4)))
    assert await one.admit() == 4  # no slot was lost


async def test_a_child_is_submitted_while_its_parent_is_run_again(worlds):  # noqa: F811
    one, two = worlds[:2]
    for _ in range(ROUNDS):
        parent = await one.start()
        await one.perform(parent)
        made = []

        async def submit(parent=parent, made=made):
            made.append(await child_of(two, parent))

        await at_once(partial(rerun, one, parent), submit)
        new = (await one.job(parent)).rerun_as
        # Before the rerun the parent had completed, afterwards its last run is waited for.
        waited = list((await one.job(made[0])).depends_on)
        expected = {parent: "queued", new: "pending"}
        assert await state(one, made[0]) == expected[waited[0]]
        await change(one, made[0], BROKEN)
        await change(one, new, BROKEN)
