"""Which process runs which tests: a file's tests stay together, the longest files begin first.

Scheduled by names alone: pytest-xdist 3.8 hands its own groups on in node ids, which pytest 9.2
makes anew, so that `--dist loadgroup` runs every test on its own, each fixture once per process.
"""

from __future__ import annotations

from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

# Faults and measurements of real processes, with real deadlines: one after another in one process,
# which the others give way to.
PROCESSES = ("bench", "chaos", "faults", "players", "weight")
ALONE = ("test_first_use", "test_process", "test_pulse", "test_aside")
FIRST_PROCESS = "gw0"
NICENESS = 2  # of the other ones
SERVERS = ("storage",)  # folders whose files share servers that are slow to start
WORLDS = "interleaving/test_pairs"  # each is a unit
SECONDS = {  # that the longest ones take, roughly, on two idle cores
    "ui/test_browser": 40,
    "storage": 60,
    "contract/test_postgres": 80,
    "contract/test_backlogs": 50,
    "e2e/test_rudeness": 40,
    "capture/test_hostile": 40,
    "capture/test_following": 40,
    "e2e/test_capture": 32,
    "capture/test_random_ranges": 29,
    "api/test_schemathesis": 27,
    "archive/test_assets": 27,
    "e2e/test_embedded": 26,
    "e2e/test_demo": 26,
    "e2e/test_archive": 26,
    "e2e/test_readme": 22,
    "capture/test_packagings": 22,
    "deploy/test_proxies": 22,
    "e2e/test_events": 22,
}
USUAL_WORLD = 15  # seconds


def unit_of(node_id: str) -> str:
    """The tests that stay together with this one, by a name."""
    file, _, test = node_id.partition("::")
    folder, name = file.removesuffix(".py").removeprefix("tests/").rpartition("/")[::2]
    if folder.partition("/")[0] in PROCESSES or name in ALONE:
        return "processes"
    if folder in SERVERS:
        return folder
    if f"{folder}/{name}" == WORLDS:
        return f"{WORLDS}-{test.partition('[')[2].removesuffix(']')}"
    return f"{folder}/{name}"


def seconds_of(unit: str) -> int:
    """How long it takes; 0 says that it is short."""
    return USUAL_WORLD if unit.startswith(WORLDS) else SECONDS.get(unit, 0)


class Distribution(LoadScopeScheduling):
    """The first process runs what has deadlines before anything else; the others never do."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(self._next_for(node), last=False)
        super()._assign_work_unit(node)

    def _next_for(self, node: WorkerController) -> str:
        if node.gateway.id == FIRST_PROCESS and "processes" in self.workqueue:
            return "processes"
        waiting = [unit for unit in self.workqueue if unit != "processes"]
        return max(waiting, key=seconds_of, default="processes")
