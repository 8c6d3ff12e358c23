"""The bench of speed measures what it says, on a real engine."""

import json

from bench.speed import run as speed
from bench.speed.ours import Sizes
from bench.speed.peers import Peer
from bench.speed.report import Row

SMALL = Sizes(requests=64, drain=200, failing=20, rows=3, calling=5, starts=3)


async def test_each_figure_comes_from_jobs_that_were_done(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "LIMIT_JOBS", 200)
    report = await speed.run(tmp_path, tmp_path, SMALL, 1, lambda text: None, peers=())
    [ours] = report.ours
    assert len(ours.starts) == 3
    assert ours.memory > 1 << 20
    rows = [row.content for row in report.rows]
    assert all(row["ours"] > 0 for row in rows)
    assert json.loads(json.dumps(rows))[0]["ratio"] > 0
    assert all(f"| {row['name']} |" in report.table for row in rows)


def test_a_peer_is_installed_once_for_its_versions(tmp_path):
    peer = Peer("none", "None", ("pip",), None, 1)
    python = peer.environment(tmp_path)
    made = python.parent.parent.joinpath("ready").stat().st_mtime_ns
    assert peer.environment(tmp_path) == python
    assert python.parent.parent.joinpath("ready").stat().st_mtime_ns == made


def test_a_goal_says_which_side_is_good():
    row = Row("start", 5.0, "ms", goal=6, at_most=True)
    assert row.content["goal"] == "<= 6"
    assert Row("drain", 5.0, "jobs/s", 10.0, 0.6).content["ratio"] == 0.5
