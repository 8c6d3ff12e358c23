"""Counters are rows of each instance, and fold when it is gone (rule 19)."""

from taskengine.model import JobState
from taskengine.testing.contract.world import submission
from tests.conftest import NOON
from tests.contract.recount import fetch
from tests.contract.test_concurrency import worlds

__all__ = ["worlds"]  # a fixture
WRITERS = "select distinct instance from {} order by instance"


async def writers(world, table):
    return [instance for (instance,) in await fetch(world.store, WRITERS.format(table))]


async def test_what_an_instance_counts_after_its_death_is_folded_by_the_clean_up(worlds):
    """It learns of its death with its next beat; until then its API takes and changes jobs."""
    first, second, *_ = worlds
    await first.store.rescue(second.instance, 0, NOON)
    for number in range(3):
        await second.submit(submission(), submission(None))
        await first.admit()
        await second.store.change(2 * number + 1, {"queue_state": JobState.BROKEN}, [], NOON)
    before = await first.store.totals()
    assert await writers(first, "counters") == [first.instance, second.instance]
    await first.store.tidy()
    assert await writers(first, "counters") == [0, first.instance]
    assert await writers(first, "task_counters") == []
    assert await first.store.totals() == before


async def test_each_instance_counts_in_rows_of_its_own_until_it_is_gone(worlds):
    """Else they grow with each start of an instance."""
    first, second, *_ = worlds
    for world in (first, second):
        [job_id] = await world.submit(submission())
        assert await world.admit() == 1
        await world.perform(job_id)
    for table in ("counters", "task_counters"):
        assert await writers(first, table) == [first.instance, second.instance]
    before = await first.store.totals()
    await second.store.leave(second.instance, NOON)
    await second.store.rescue(first.instance, 0, NOON)
    for table in ("counters", "task_counters"):
        assert await writers(first, table) == [0]
    assert await first.store.totals() == before
