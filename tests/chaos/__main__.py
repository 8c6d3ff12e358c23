"""`make chaos`: the long proof that nothing is lost or doubled under faults."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import trio_asyncio

from tests.chaos.capture.command import main as capture
from tests.chaos.experiment import Findings, Options, experiment
from tests.chaos.report import report


def main() -> int:
    """0: all that has to hold held; 1: it did not, and the logs are kept."""
    if sys.argv[1:2] == ["capture"]:
        return capture(sys.argv[2:])
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o711)  # PostgreSQL may run as another user
    print(f"seed {arguments.seed}, logs in {folder}", flush=True)
    began = time.monotonic()
    options = Options(
        folder=folder / "run",
        minutes=arguments.minutes,
        seed=arguments.seed,
        lease=arguments.lease,
        rate=arguments.rate,
        say=lambda text: print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True),
    )
    findings = trio_asyncio.run(partial(experiment, options))
    _tell(findings, arguments)
    if findings.holds:
        shutil.rmtree(folder)
        return 0
    print(f"The logs are in {folder}.", file=sys.stderr)
    return 1


def _arguments() -> argparse.Namespace:
    told = "`make chaos ARGS=capture` is the hard run of a capture; it has options of its own."
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__, epilog=told)
    parser.add_argument("--minutes", type=float, default=10.0, help="of load and faults (10)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--lease", type=float, default=15.0, help="seconds (15)")
    parser.add_argument("--rate", type=float, default=7.0, help="jobs a second (7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the page docs/chaos.md")
    return parser.parse_args()


def _tell(findings: Findings, arguments: argparse.Namespace) -> None:
    text = report(findings)
    print("\n" + text[text.index("## The run") :])
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(findings.figures, indent=2) + "\n")
    if arguments.report is not None:
        arguments.report.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
