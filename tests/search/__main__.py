"""`make search`: random courses of events through both stores, for as long as asked."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import trio_asyncio

from tests.conftest import kept_database, server_in
from tests.search.search import search


def main() -> int:
    """0: every promise held; 1: one did not, and the seed that shows it again is printed."""
    arguments = _arguments()
    print(f"seed {arguments.seed}, for {arguments.minutes:g} minutes", flush=True)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="search-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may run as another user
        with server_in(Path(folder)) as server, kept_database(server, "search") as url:
            seconds = 60 * arguments.minutes
            run = partial(search, url, arguments.seed, seconds, arguments.tries, say)
            failure = trio_asyncio.run(run)
    if failure is not None:
        print(f"\n{failure}", file=sys.stderr)
    return int(failure is not None)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make search", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of searching (10)")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**9), help="of the first try"
    )
    parser.add_argument("--tries", type=int, help="at most; each has the seed after the last one's")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
