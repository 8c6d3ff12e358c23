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
from tests.chaos.report import run_of

HEAD = """
# Two versions side by side

`make chaos ARGS="upgrade --minutes 10 --report docs/upgrade-run.md"` writes this page: instances of
the version before the newest migration are replaced one after the other by this one, on one
database, first without a fault, behind a proxy, then under the load and the faults of
[chaos.md](chaos.md), which says what the figures are. It ends with 0 only if no request failed, no
task began twice, and nothing was lost, overbooked, stale, missing or out of order
([decision 55](decisions/0055-upgrades-are-tried.md)).
"""


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

    return run_and_tell("upgrade", given.seed, run, lambda found: _tell(found, given.report))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=upgrade", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of load and faults (10)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--former", metavar="COMMIT", help="the version to begin with")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write docs/upgrade-run.md")
    return parser


def _tell(findings: UpgradeFindings, page: Path | None) -> None:
    quiet, chaos = findings.replaced, findings.chaos
    text = f"{HEAD.strip()}\n\nWithout faults: {_told(quiet)}.\n\n{run_of(chaos)}"
    print(f"\n{text}")
    if page is not None:
        page.write_text(text, "utf-8")


def _told(quiet: Replaced) -> str:
    wrong = "; ".join(quiet.wrong) or "none failed, and each task began once"
    return f"{quiet.requests} requests, {len(quiet.jobs)} jobs; {wrong}"
