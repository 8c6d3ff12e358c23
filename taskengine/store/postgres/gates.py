"""Gates: URLs that have to answer before a scheduled job may be queued (A15)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from taskengine.model import JobState, Severity
from taskengine.store import Gate, GateAnswer
from taskengine.store.completion import PER_HOST
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.lines import add_lines
from taskengine.store.postgres.rows import SQL, Line


async def claim_gates(
    connection: Connection,
    limit: int,
    busy_hosts: Collection[str],
    now: datetime,
    lease: timedelta,
) -> tuple[list[Gate], datetime | None]:
    """See Store.claim_gates."""
    given = (now, now + lease, limit, list(busy_hosts), PER_HOST)
    await connection.execute(SQL["plan_by_indexes"])
    rows = await connection.fetch(SQL["claim_gates"], *given)
    next_due = await connection.fetchval(SQL["next_gate"], now)
    gates = [
        Gate(row["id"], row["semaphore_url"], row["gate_failures"], row["gate_answer"])
        for row in rows
    ]
    return gates, next_due


async def answer_gates(connection: Connection, answers: Sequence[GateAnswer], writer: int) -> int:
    """See Store.answer_gates. A line is written where the answer changed."""
    tally = Tally()
    opened = 0
    lines: list[Line] = []
    for one in sorted(answers, key=lambda answer: answer.gate.job_id):
        told = (one.gate.job_id, one.gate.url, one.answer, one.at)
        if one.due_at is None:
            row = await connection.fetchrow(SQL["open_gate"], *told)
        else:
            row = await connection.fetchrow(SQL["keep_gate"], *told, one.due_at)
        if row is None:
            continue  # the job has changed since
        if one.due_at is None:
            opened += 1
            tally.moved(row, JobState.SCHEDULED, JobState.QUEUED)
        if one.answer != one.gate.answer:
            lines.append(_line(one))
    if lines:
        await add_lines(connection, lines, max(one.at for one in answers))
    await tally.write(connection, writer)
    return opened


def _line(one: GateAnswer) -> Line:
    verb = "is open" if one.due_at is None else "is closed"
    message = f"The gate {verb}: {one.answer}"
    return Line(one.gate.job_id, 0, int(Severity.INFO), "scheduler", message, one.at)
