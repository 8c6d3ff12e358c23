"""The hard run of a capture in short: one kill, one restart of PostgreSQL, both origins away."""

from dataclasses import replace

import trio_asyncio

from tests.chaos.capture.command import report
from tests.chaos.capture.run import Options, hard_run


async def test_every_frame_that_was_served_is_there_once(tmp_path):
    tmp_path.chmod(0o711)
    options = Options(
        folder=tmp_path / "all",
        seconds=40,
        seed=5,
        away=((10, 24), (22, 34)),
        kills=(14,),
        restart=28,
        renditions=["w"],
    )
    async with trio_asyncio.open_loop():
        findings = await hard_run(options)
    few = replace(findings.verdict, twice_percent=0.0)  # of so short a stream a segment is 2 %
    assert few.holds, report(findings)
    assert not findings.job["failed"]
    assert findings.troubles == []
    assert findings.attempts > 1
    assert findings.verdict.gaps
    assert all(findings.fates[kind] for kind in ("error", "cut", "away"))
