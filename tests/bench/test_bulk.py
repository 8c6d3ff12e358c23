"""The bench of bulk operations looks at the pages before and meanwhile."""

from bench.bulk.run import run, slow, table


async def test_a_short_operation_is_watched_on_all_pages(tmp_path):
    told = []
    figures = await run(tmp_path, 200, told.append)
    assert told == ["200 jobs are submitted", "all of them are paused"]
    assert figures.rounds > 0
    assert set(figures.during) == set(figures.before)
    assert slow(figures, 0.0) == [*figures.during]
    assert slow(figures, 1e9) == []
    assert table(figures).count("\n") == len(figures.during) + 3
