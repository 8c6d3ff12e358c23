"""Lines of logs. They are written under the lock of their job, so that they commit in the order of
their ids: whoever has read a log up to a line finds what is new behind it (rule 18)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from taskengine.model import Severity
from taskengine.store.log_retention import PROGNAME, notice, surplus
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, Line, columns


async def put_lines(connection: Connection, lines: Sequence[Line]) -> None:
    """Write lines of jobs that are locked, or not yet committed."""
    if lines:
        await connection.execute(SQL["put_lines"], *columns(lines, len(Line._fields)))


async def add_lines(connection: Connection, lines: Sequence[Line], now: datetime) -> None:
    """The same with their count, for what no attempt writes."""
    if not lines:
        return
    await put_lines(connection, lines)
    counted = sorted(Counter(line.job_id for line in lines).items())
    rows = await connection.fetch(SQL["add_lines"], *columns(counted, 2))
    await keep_short(connection, ((row["id"], row["lines"]) for row in rows), now)


async def keep_short(
    connection: Connection, lengths: Iterable[tuple[int, int]], now: datetime
) -> None:
    """Make room in the logs that are too long (rule 28), given as job id and number of lines."""
    for job_id, length in lengths:
        if number := surplus(length):
            await _remove(connection, job_id, number, now)


async def _remove(connection: Connection, job_id: int, number: int, now: datetime) -> None:
    """The oldest lines go, DEBUG and INFO first; a notice takes the place of the last of them."""
    gone: list[int] = []
    for severity in (Severity.INFO, max(Severity)):
        left = number - len(gone)
        rows = await connection.fetch(SQL["remove_lines"], job_id, int(severity), left)
        gone += [row["id"] for row in rows]
    if gone:
        total = await connection.fetchval(SQL["count_removed"], job_id, len(gone))
        told = (int(Severity.INFO), PROGNAME, notice(total), now)
        await connection.execute(SQL["put_notice"], max(gone), job_id, *told)
