"""`make chaos ARGS=upgrade`: the version before and this one side by side, on one database.

First without a fault, behind a proxy: no request may fail, no task may begin twice. Then under the
load, the faults and the judgement of `make chaos`, while one instance after the other is replaced.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.experiment import Findings, Options, experiment
from tests.chaos.fleet import Replaced, replaced
from tests.chaos.former import NoFormerVersion, former_commit, former_tree
from tests.chaos.frame import Say, run_and_tell
from tests.chaos.place import ROOT


@dataclass(frozen=True, slots=True)
class UpgradeFindings:
    replaced: Replaced
    chaos: Findings

    @property
    def holds(self) -> bool:
        return not self.replaced.wrong and self.chaos.holds


def main(arguments: Sequence[str]) -> int:
    """0: all that has to hold held; 1: it did not, and the logs are kept; 2: there is no former
    version to begin with."""
    given = _parser().parse_args(arguments)
    try:
        commit = given.former or former_commit(ROOT)
    except NoFormerVersion as problem:
        print(f"No upgrade was tried: {problem}")
        return 2

    async def run(folder: Path, say: Say) -> UpgradeFindings:
        former = former_tree(ROOT, folder.parent / "former", commit)
        say(f"from {commit} to this version")
        seconds = given.minutes * 60
        (folder.parent / "quiet").mkdir()
        quiet = await replaced(folder.parent / "quiet" / "var", former, seconds / 20, say)
        say(f"without faults: {_told(quiet)}")
        options = Options(folder, given.minutes, given.seed, say=say, former=former)
        return UpgradeFindings(quiet, await experiment(options))

    return run_and_tell("upgrade", given.seed, run, _tell)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=upgrade", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of load and faults (10)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--former", metavar="COMMIT", help="the version to begin with")
    return parser


def _tell(findings: UpgradeFindings) -> None:
    quiet, chaos = findings.replaced, findings.chaos
    print(f"\nWithout faults: {_told(quiet)}")
    print(f"Under faults: {chaos.figures}")
    for name, cases in {**chaos.wrong, "troubles": chaos.troubles}.items():
        for case in cases:
            print(f"{name}: {case}")


def _told(quiet: Replaced) -> str:
    wrong = "; ".join(quiet.wrong) or "none failed, and each task began once"
    return f"{quiet.requests} requests, {len(quiet.jobs)} jobs; {wrong}"
