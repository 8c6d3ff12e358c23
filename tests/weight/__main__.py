"""`make weight`: one client's heaviest work beside another one's small jobs."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import trio

from tests.weight.run import SMALL, Findings, Run, Sizes


def main() -> int:
    """0: everything ended, and nobody was held up; 1: not so."""
    parser = argparse.ArgumentParser(prog="make weight", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a fraction of the work")
    parser.add_argument("--kill-after", type=float, metavar="SECONDS", help="kill -9 the engine")
    arguments = parser.parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="weight-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may run as another user
        sizes = SMALL if arguments.small else Sizes()
        found = trio.run(Run(Path(folder), sizes, arguments.kill_after, say).run)
    return tell(found)


def tell(found: Findings) -> int:
    times = sorted(found.small_jobs)
    rows = {
        "all heavy work done after": f"{found.seconds:.0f} s",
        "small jobs of another client": str(len(times)),
        "from POST to their end, p50": f"{statistics.median(times):.2f} s",
        "the same, longest (2 s)": f"{times[-1]:.2f} s",
        "/livez, longest (0.2 s)": f"{found.livez['longest'][0]:.3f} s",
        "the five longest": str(found.livez["longest"][:5]),
        "peak resident memory (400 MB)": f"{max(found.peak_memory) / 1e6:.0f} MB",
        "callbacks": str(found.callbacks),
        "settings refused": str(found.refused_settings),
        "jobs at the end": str(dict(found.states)),
    }
    print("| figure | value |\n|---|--:|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    fits = times[-1] <= 2 and found.livez["longest"][0] <= 0.2 and max(found.peak_memory) <= 400e6
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
