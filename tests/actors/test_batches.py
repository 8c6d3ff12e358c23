"""Batches are bounded by what they weigh too (rule 17)."""

from taskengine.actors import batches
from taskengine.actors.batches import split_by_weight
from taskengine.model import Ended, Written
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import actions_with, instance, workflow
from tests.actors.test_pace import finished


def test_parts_keep_the_order_and_none_is_too_heavy(monkeypatch):
    monkeypatch.setattr(batches, "MAX_BATCH_WEIGHT", 10)
    cut = [list(part) for part in split_by_weight([4, 4, 4, 25, 1, 9, 1], lambda weight: weight)]
    assert cut == [[4, 4], [4], [25], [1, 9], [1]]
    assert list(split_by_weight([], lambda weight: weight)) == []


class Weighing(MemoryStore):
    """Notes what each batch of records carries."""

    def __init__(self):
        super().__init__()
        self.records = []

    async def record(self, instance, records, now, **options):
        lines = sum(len(one.message) for one in records if isinstance(one, Written))
        results = sum(len(str(one.result)) for one in records if isinstance(one, Ended))
        self.records.append((len(records), lines + results))
        return await super().record(instance, records, now, **options)


async def test_heavy_results_and_lines_are_written_in_parts(autojump_clock, monkeypatch):
    monkeypatch.setattr(batches, "MAX_BATCH_WEIGHT", 1_000)
    store = Weighing()

    async def heavy(context):
        for _ in range(10):
            await context.info("x" * 300)
        return {"text": "y" * 900}

    async with instance(store, actions=actions_with(heavy=heavy), work=8) as engine:
        jobs = [await engine.submit(workflow(("one", "test.heavy"))) for _ in range(8)]
        await finished(engine, jobs)
    assert all(weight <= 1_000 or number == 1 for number, weight in store.records)
    assert max(number for number, _ in store.records) > 1
