"""`make chaos ARGS=capture`: three minutes of live, and all that can go wrong meanwhile."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.chaos.capture.run import Findings, Options, hard_run
from tests.chaos.frame import Say, run_and_tell


def main(arguments: Sequence[str]) -> int:
    """0: each frame that was served is there once, and the rest holds; 1: else, logs are kept."""
    chosen = _arguments(arguments)

    async def run(folder: Path, say: Say) -> Findings:
        return await hard_run(Options(folder, chosen.seconds, chosen.seed, say=say))

    def tell(findings: Findings) -> None:
        print("\n" + report(findings))
        if chosen.json is not None:
            chosen.json.write_text(json.dumps(figures(findings), indent=2) + "\n")

    return run_and_tell("chaos-capture", chosen.seed, run, tell)


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
