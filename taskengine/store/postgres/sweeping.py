"""A sweep of what waits for jobs that are over already (rule 12).

No transaction of the engine leaves such an edge behind without a cascade. A hand in the database
does, and a job that waits for it would wait for ever.
"""

from __future__ import annotations

from datetime import datetime

from taskengine.model import FINAL_STATES
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.edges import settle_edges
from taskengine.store.postgres.rows import SQL

PAGE_SIZE = 1_000  # parents that are looked at in one transaction


async def sweep_edges(
    connection: Connection, after: int, now: datetime, writer: int
) -> tuple[int, int | None]:
    """See Store.sweep_edges."""
    page = await connection.fetch(SQL["parents_waited_for"], after, PAGE_SIZE)
    suspects = [row["parent"] for row in page if row["suspect"]]
    tally = Tally()
    if suspects:
        # What is still so once they are locked (rule 1).
        rows = {row["id"]: row for row in await connection.fetch(SQL["lock_jobs"], suspects)}
        over = [
            one
            for one in suspects
            if one not in rows
            or (rows[one]["state"] in FINAL_STATES and not rows[one]["open_tasks"])
        ]
        await settle_edges(connection, over, now, tally)
        await tally.write(connection, writer)
    return tally.cascades, page[-1]["parent"] if len(page) == PAGE_SIZE else None
