"""How many lines of a job's log are kept (rule 28). Both stores and their tests use these."""

from __future__ import annotations

KEPT = 50_000  # lines of a job's log
REMOVED_AT_ONCE = 1_000  # lines that are made room for at once, so that few lines cost a removal
PROGNAME = "recorder"


def surplus(lines: int) -> int:
    """How many lines of a log have to go; 0 while there is room."""
    return 0 if lines <= KEPT else lines - KEPT + REMOVED_AT_ONCE


def notice(removed: int) -> str:
    """What stands in the log in the place of lines that were removed."""
    return f"{removed} older lines were removed: a log keeps {KEPT}"
