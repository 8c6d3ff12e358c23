"""The soak looks at an engine under load while somebody holds a snapshot."""

from bench.soak.run import run, svg, table


async def test_a_short_soak_sees_jobs_done_and_a_snapshot_held(tmp_path):
    lines = []
    samples = await run(tmp_path, minutes=0.2, rate=20, hold=0.1, told=lines.append)
    assert len(samples) == len(lines) == 30
    assert max(one.rate for one in samples) > 0
    assert max(one.held for one in samples) > min(one.held for one in samples)
    assert all(one.memory > 10 for one in samples)
    assert table(samples).count("\n") == 31
    assert svg(samples).count("<polyline") == 6
