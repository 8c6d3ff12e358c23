"""Lines of logs in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from taskengine.model import LogLine, Severity
from taskengine.store import Lines
from taskengine.store.log_retention import PROGNAME, notice, surplus
from taskengine.store.memory.tables import Tables


def add_line(tables: Tables, line: LogLine) -> None:
    tables.lines.append(replace(line, id=tables.next_id("line")))
    tables.jobs[line.job_id].lines += 1


def add_lines(tables: Tables, job_id: int, lines: Lines, now: datetime) -> None:
    """What no attempt writes."""
    for severity, progname, message in lines:
        add_line(tables, LogLine(job_id, progname, message, now, severity=severity))
    keep_short(tables, job_id, now)


def keep_short(tables: Tables, job_id: int, now: datetime) -> None:
    """Make room in a log that is too long: the oldest lines go, DEBUG and INFO first; a notice
    takes the place of the last of them."""
    row = tables.jobs[job_id]
    number = surplus(row.lines)
    if not number:
        return
    own = [line for line in tables.lines if line.job_id == job_id]
    own.sort(key=lambda line: (line.severity > Severity.INFO, line.id))
    gone = {line.id for line in own[:number]}
    row.lines -= len(gone) - 1
    row.lines_removed += len(gone) - bool(row.lines_removed)
    told = LogLine(job_id, PROGNAME, notice(row.lines_removed), now, id=max(gone))
    kept = [line for line in tables.lines if line.id not in gone or line.id == told.id]
    kept[[line.id for line in kept].index(told.id)] = told
    tables.lines = kept


def read_log(
    tables: Tables, job_id: int, *, show_all: bool = False, after: int = 0
) -> Sequence[LogLine]:
    """See StoreReads.log."""
    lines = [line for line in tables.lines if line.job_id == job_id and line.id > after]
    return [line for line in lines if show_all or line.visible]
