"""`make chaos` in short: a few faults of each kind, with a short lease."""

import trio_asyncio

from tests.chaos.experiment import Options, experiment
from tests.chaos.faults import DATABASE_KILLED, INSIDE, KILLED, STOPPED, TERMINATED
from tests.chaos.report import report

KEYS = (
    "jobs kills pauses database_restarts lost admitted_twice slot_violations stale_writes "
    "callbacks_missing callbacks_out_of_order recovery_p50_s recovery_p99_s recovery_max_s"
)


async def test_nothing_is_lost_or_doubled_under_faults(tmp_path):
    tmp_path.chmod(0o711)
    options = Options(
        folder=tmp_path / "run",
        minutes=0.25,
        seed=3,
        lease=3,
        rate=4,
        longest=3,
        receiver_faults={"500": 50, "slow": 20, "lost answer": 30},
        receiver_fails=1,
        first=(INSIDE, KILLED, DATABASE_KILLED, TERMINATED, STOPPED, KILLED),
    )
    async with trio_asyncio.open_loop():
        findings = await experiment(options)
    assert findings.holds, report(findings)
    assert list(findings.figures) == KEYS.split()
    assert findings.jobs > 10
    assert findings.figures["kills"] > 0
    assert findings.figures["pauses"] > 0
    assert findings.database_restarts > 0
