"""Tests of a file share a process, and those with deadlines share one that others give way to."""

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.distribution import ALONE, PROCESSES, SECONDS, SERVERS, Distribution, unit_of

ROOT = Path(__file__).parent
NODES = {
    "tests/faults/test_drain.py::test_one": "processes",
    "tests/chaos/capture/test_hard_run.py::test_one": "processes",
    "tests/runtime/test_pulse.py::test_one[a@b]": "processes",
    "tests/storage/test_contract.py::TestS3::test_one": "storage",
    "tests/interleaving/test_pairs.py::test_all[cap]": "interleaving/test_pairs-cap",
    "tests/test_end.py::test_one": "/test_end",
    "tests/ui/test_browser.py::test_one[now-390]": "ui/test_browser",
}


@dataclass(eq=False)
class Process:
    """Does what it is sent."""

    gateway: SimpleNamespace
    collection: list
    done: list = field(default_factory=list)
    shutting_down: bool = False

    def send_runtest_some(self, indices):
        self.done += [self.collection[place] for place in indices]

    def shutdown(self):
        self.shutting_down = True


def distributed(tests, number):
    """What each process did, all of them equally fast."""
    option = SimpleNamespace(loadscopereorder=True)
    config = SimpleNamespace(getvalue=lambda _: ["popen"] * number, option=option)
    scheduler = Distribution(config)
    processes = [Process(SimpleNamespace(id=f"gw{place}"), tests) for place in range(number)]
    for one in reversed(processes):  # in any order
        scheduler.add_node(one)
        scheduler.add_node_collection(one, tests)
    scheduler.schedule()
    for step in range(len(tests)):
        for one in processes:
            if step < len(one.done):
                scheduler.mark_test_complete(one, tests.index(one.done[step]))
    return [one.done for one in processes]


@pytest.mark.parametrize(("node", "unit"), NODES.items())
def test_a_test_is_known_by_its_file(node, unit):
    assert unit_of(node) == unit


@pytest.mark.parametrize("number", [1, 2, 3])
def test_tests_of_a_unit_are_run_by_one_process(number):
    files = ["test_a", "ui/test_browser", "faults/test_b", "chaos/test_c", "api/test_d", "test_e"]
    tests = [f"tests/{file}.py::test_{place}" for place in range(5) for file in files]
    done = distributed(tests, number)
    assert sorted(chain(*done)) == sorted(tests)
    units = [{unit_of(one) for one in tests} for tests in done]
    assert sum(map(len, units)) == len(set().union(*units))
    assert unit_of(done[0][0]) == "processes"
    if number > 1:
        firsts = {unit_of(one[0]) for one in done[1:]}
        assert "ui/test_browser" in firsts  # the longest one of the others


def test_what_the_distribution_names_is_there():
    folders = [ROOT / name for name in (*PROCESSES, *SERVERS)]
    files = [ROOT / f"{name}.py" for name in SECONDS if name not in SERVERS]
    assert [one for one in (*folders, *files) if not one.exists()] == []
    assert [name for name in ALONE if not [*ROOT.rglob(f"{name}.py")]] == []
