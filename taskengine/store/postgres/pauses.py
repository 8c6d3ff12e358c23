"""Pauses, and the jobs that are set aside while their workflow is paused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from taskengine.model import BadInput, JobState, NotFound, Severity
from taskengine.pauses import Pause, PauseKind, hold_line, release_line
from taskengine.policy import SYSTEM
from taskengine.store.postgres.change import Effects, change_with
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.lines import add_lines
from taskengine.store.postgres.rows import SQL, Line, Row, columns

RELEASED = 50  # jobs that one transaction queues again


def pause_of(row: Row) -> Pause:
    return Pause(PauseKind(row["kind"]), row["name"], row["since"], row["by"], row["until"])


async def put_pause(connection: Connection, pause: Pause) -> None:
    """See StorePauses.put_pause. No admission is under way by what held before."""
    await connection.execute(SQL["lock_scope"], SYSTEM)
    row = (pause.kind, pause.name, pause.since, pause.by, pause.until)
    await connection.execute(SQL["put_pause"], *row)


async def hold_jobs(
    connection: Connection, job_ids: Collection[int], now: datetime, tally: Tally
) -> int:
    """Set queued jobs aside, which are locked; how many."""
    if not job_ids:
        return 0
    rows = await connection.fetch(SQL["hold_jobs"], sorted(job_ids), now)
    held = sorted((row["workflow"], row["id"]) for row in rows)
    await connection.execute(SQL["put_held"], *columns(held, 2))
    await add_lines(connection, [_line(*one, hold_line(one[0]), now) for one in held], now)
    for row in rows:
        tally.moved(row, JobState.QUEUED, JobState.PAUSED)
    return len(rows)


async def end_pauses(
    connection: Connection, now: datetime, writer: int
) -> tuple[int, datetime | None]:
    """See StorePauses.end_pauses."""
    ended = await connection.fetch(SQL["end_pauses"], now)
    held = await connection.fetch(SQL["held_jobs"], RELEASED)
    if held:
        await _release(connection, held, now, writer)
    until = await connection.fetchval(SQL["next_end"])
    return len(ended) + len(held), until


async def _release(connection: Connection, held: Sequence[Row], now: datetime, writer: int) -> None:
    """Resume those that are still paused, as anybody would."""
    effects = Effects()
    for row in held:
        line = (Severity.INFO, "controller", release_line(row["workflow"]))
        try:
            resumed = {"queue_state": JobState.QUEUED}
            await change_with(connection, row["job_id"], resumed, [line], now, effects)
        except (BadInput, NotFound):
            continue  # it is over, or goes on already
    await connection.execute(SQL["let_go"], [row["job_id"] for row in held])
    await effects.write(connection, writer, now)


def _line(workflow: str, job_id: int, text: str, now: datetime) -> Line:
    return Line(job_id, 0, int(Severity.INFO), "controller", text, now)
