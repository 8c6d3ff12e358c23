"""The bench of speed measures what it says, on a real engine."""

import re

from bench.speed import run as speed


async def test_each_figure_comes_from_jobs_that_were_done(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "SINGLES", 2 * speed.CLIENTS)
    monkeypatch.setattr(speed, "IDLE", 3)
    monkeypatch.setattr(speed, "BATCH", 50)
    figures = await speed.run(tmp_path, jobs=100, workers=2)
    assert min(figures.constant, figures.single, figures.batch, figures.completed) > 0
    assert len(figures.starts) == 3
    assert all(0 <= seconds < speed.PATIENCE for seconds in figures.starts)
    assert figures.cpu > 0
    assert figures.memory > 1 << 20
    values = re.findall(r"\| ([\d.,]+)\D*\|$", figures.table, re.MULTILINE)
    assert len(values) == 9
