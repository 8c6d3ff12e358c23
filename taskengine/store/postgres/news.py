"""What changes: jobs by the number of the transaction that changed them last.

A row shows its last change alone, so that the cost is that of what is new, whatever the history.
Numbers are given at the start of transactions, so that lower ones may come later: a mark names
those that were under way when it was made, and they are looked for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskengine.model import FINAL_STATES, JobState
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, job_of
from taskengine.store.types import Change, Mark, News, percent

AT_ONCE = 20  # stopped jobs whose tasks, thousands perhaps, are read by one statement


async def read_news(connection: Connection, after: Mark | None, limit: int) -> News:
    """See Store.news."""
    [snapshot] = await connection.fetch(SQL["snapshot"])
    here = Mark(snapshot["next"], 0, tuple(sorted(snapshot["open"])))
    if after is None or after.number > here.number:  # of another database
        return News((), here)
    late = await connection.fetch(SQL["late_changes"], [str(one) for one in after.open])
    start = (str(after.number), after.job_id, str(here.number))
    rows = await connection.fetch(SQL["changes"], *start, limit)
    changes = await _with_progress(connection, [*late, *rows])
    if len(rows) < limit:
        return News(changes, here)
    number, job_id = rows[-1]["number"], rows[-1]["id"]
    open_ = tuple(one for one in here.open if one <= number)
    return News(changes, Mark(number, job_id, open_), more=True)


async def _with_progress(connection: Connection, rows: list[Any]) -> list[Change]:
    done = await _done(connection, rows)
    jobs = [job_of(row) for row in rows]
    return [
        Change(job, percent(job.state, *done.get(job.id, (0.0, 0))), row["number"])
        for job, row in zip(jobs, rows, strict=True)
    ]


async def _done(connection: Connection, jobs: Sequence[Any]) -> dict[int, tuple[float, int]]:
    """How much of the tasks of jobs is done, and of how many; of completed ones it is all."""
    is_stopped = {row["id"]: row["failed"] or row["state"] == JobState.BROKEN for row in jobs}
    going = [
        row["id"] for row in jobs if not is_stopped[row["id"]] and row["state"] not in FINAL_STATES
    ]
    stopped = sorted(job_id for job_id in is_stopped if is_stopped[job_id])
    rows = await connection.fetch(SQL["progress_of"], going) if going else []
    for start in range(0, len(stopped), AT_ONCE):
        few = stopped[start : start + AT_ONCE]
        rows += await connection.fetch(SQL["progress_of_stopped"], few)
    return {row["job_id"]: (row["done"], row["n"]) for row in rows}


async def read_progress(connection: Connection) -> dict[int, tuple[float, int]]:
    """How much of the tasks of jobs at work is done, and of how many."""
    return await _done(connection, await connection.fetch(SQL["jobs_at_work"]))
