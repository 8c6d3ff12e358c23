"""The command `taskengine`, also as `python -m taskengine`."""

from __future__ import annotations

import sys

from taskengine.runtime.signals import hold_signals


def main() -> None:
    """The entry point. An engine that is told to stop while it is still being loaded stops well."""
    if sys.argv[1:2] == ["serve"]:
        hold_signals()
    from taskengine.cli import run

    run()


if __name__ == "__main__":
    main()
