"""`make chaos ARGS=capture`: three minutes of live, and all that can go wrong meanwhile."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import trio_asyncio

from tests.chaos.capture.run import Findings, Options, hard_run


def main(arguments: Sequence[str]) -> int:
    """0: each frame that was served is there once, and the rest holds; 1: else, logs are kept."""
    chosen = _arguments(arguments)
    folder = Path(tempfile.mkdtemp(prefix="chaos-capture-"))
    folder.chmod(0o711)  # PostgreSQL may run as another user
    print(f"seed {chosen.seed}, logs in {folder}", flush=True)
    began = time.monotonic()
    options = Options(
        folder=folder / "all",
        seconds=chosen.seconds,
        seed=chosen.seed,
        say=lambda text: print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True),
    )
    findings = trio_asyncio.run(partial(hard_run, options))
    print("\n" + report(findings))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures(findings), indent=2) + "\n")
    if findings.holds:
        shutil.rmtree(folder)
        return 0
    print(f"The logs are in {folder}.", file=sys.stderr)
    return 1


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=capture", description=__doc__)
    parser.add_argument("--seconds", type=int, default=180, help="of live that are asked for (180)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    return parser.parse_args(arguments)


def figures(findings: Findings) -> dict[str, object]:
    """The one JSON object of the command."""
    return {
        "holds": findings.holds,
        "kills": len(findings.kills),
        "attempts": findings.attempts,
        **asdict(findings.verdict),
        **{f"requests_{fate}": number for fate, number in sorted(findings.fates.items())},
    }


def report(findings: Findings) -> str:
    """What was seen, as Markdown."""
    return "\n".join(_lines(findings))


def _lines(findings: Findings) -> Iterator[str]:
    yield "| figure | value |"
    yield "|---|--:|"
    for name, value in figures(findings).items():
        yield f"| {name} | {value} |"
    yield ""
    yield f"job: {findings.job['queue_state']}, failed: {findings.job['failed']}"
    yield from (f"trouble: {one}" for one in findings.troubles)
    yield from (f"warning: {one}" for one in findings.warnings)
