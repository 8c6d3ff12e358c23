"""`make chaos`: the long proof that nothing is lost or doubled under faults."""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

from tests.chaos.capture.command import main as capture
from tests.chaos.experiment import Findings, Options, experiment
from tests.chaos.frame import Say, run_and_tell
from tests.chaos.report import report, run_of
from tests.chaos.upgrade import main as upgrade


def main() -> int:
    """0: all that has to hold held; 1: it did not, and the logs are kept."""
    if sys.argv[1:2] == ["capture"]:
        return capture(sys.argv[2:])
    if sys.argv[1:2] == ["upgrade"]:
        return upgrade(sys.argv[2:])
    arguments = _arguments()

    async def run(folder: Path, say: Say) -> Findings:
        options = Options(
            folder=folder,
            minutes=arguments.minutes,
            seed=arguments.seed,
            lease=arguments.lease,
            rate=arguments.rate,
            say=say,
        )
        return await experiment(options)

    return run_and_tell("chaos", arguments.seed, run, lambda found: _tell(found, arguments))


def _arguments() -> argparse.Namespace:
    told = (
        "`make chaos ARGS=capture` is the hard run of a capture, `ARGS=upgrade` one of two versions"
        " side by side; each has options of its own."
    )
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__, epilog=told)
    parser.add_argument("--minutes", type=float, default=10.0, help="of load and faults (10)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--lease", type=float, default=15.0, help="seconds (15)")
    parser.add_argument("--rate", type=float, default=7.0, help="jobs a second (7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the page docs/chaos.md")
    return parser.parse_args()


def _tell(findings: Findings, arguments: argparse.Namespace) -> None:
    print("\n" + run_of(findings))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(findings.figures, indent=2) + "\n")
    if arguments.report is not None:
        arguments.report.write_text(report(findings))


if __name__ == "__main__":
    sys.exit(main())
