"""Three instances behind a proxy, restarted one after the other under load."""

from tests.chaos.fleet import replaced
from tests.chaos.place import ROOT


async def test_a_rolling_restart_fails_no_request(tmp_path):
    found = await replaced(tmp_path / "var", ROOT, 0, print)
    assert found.wrong == []
    assert found.jobs
