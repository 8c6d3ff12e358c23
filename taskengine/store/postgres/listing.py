"""Lists of jobs: pages by key, at a cost that does not grow with the number of jobs (rule 27)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from taskengine.model import Job, JobState
from taskengine.store import Cursor, JobFilter, Page
from taskengine.store.postgres.clauses import Clause, StatementArguments, all_of, shown
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.queries import JOB
from taskengine.store.postgres.rows import SQL, Row, job_of
from taskengine.store.postgres.sources import ID, ListSource, Sources, few, in_order, with_ids

COLUMNS = ", ".join(JOB)
ORDERS = {  # the ten keys of a list row: columns with their types; none of them is ever null
    "id": "bigint",
    "client": "text",
    "workflow": "text",
    "priority": "smallint",
    "position": "integer",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "state": "smallint",
    "failed": "boolean",
    "run_at": "timestamptz",
}
FIRST_PART = 20  # the part of what a list may inspect that is inspected first


async def list_jobs(connection: Connection, wanted: JobFilter) -> Page:
    """See Store.jobs. Names of columns come from ORDERS, every value is an argument."""
    if wanted.failed is not None and JobState.COMPLETED not in (wanted.states or JobState):
        return Page()
    await connection.execute(SQL["plan_by_indexes"])
    if wanted.searched_id is not None:
        one = with_ids([wanted.searched_id])
        if found := await _read(connection, replace(wanted, search=None), one):
            return found
    if wanted.job_ids:
        return await _read(connection, wanted, with_ids(wanted.job_ids))
    return await _look(connection, wanted)


async def _look(connection: Connection, wanted: JobFilter) -> Page:
    """A search is for something rare. Else most pages are full soon; where one is not, a filter
    that leaves few jobs finds them all."""
    sources = in_order(wanted)
    soon = replace(wanted, inspected=max(1, wanted.inspected // FIRST_PART))
    if wanted.search is not None and (found := await few(connection, soon)):
        return await _read(connection, wanted, found)
    page = await _read(connection, soon, sources)
    if page.next is None or len(page) == wanted.limit:
        return page
    return await _read(connection, wanted, await few(connection, wanted) or sources)


async def first_in_queue(connection: Connection, limit: int, client: str | None) -> list[Job]:
    """See Store.first_in_queue."""
    await connection.execute(SQL["plan_by_indexes"])
    if client is None:
        rows = await connection.fetch(SQL["first_in_queue"], limit)
    else:
        rows = await connection.fetch(SQL["first_in_queue_of"], limit, client)
    return [job_of(row) for row in rows]


async def _read(connection: Connection, wanted: JobFilter, chosen: Sources) -> Page:
    bounds = await _bounds(connection, wanted)
    if not chosen.parts or bounds is None:
        return Page()
    statement, order, inspected = StatementArguments(), _order(wanted), wanted.inspected
    parts = [_part(statement, wanted, one, bounds, whole=chosen.few) for one in chosen.parts]
    text = f"""
        select {COLUMNS}, place, fits from (
            select {COLUMNS}, number, row_number() over (order by {order}) as place,
                   coalesce({statement.write(shown(wanted))}, false) as fits
            from ({" union all ".join(parts)}) as sources
            order by {order} limit {inspected}
        ) as seen
        where fits or place = {inspected}
        order by {order} limit {statement.argument(wanted.limit + 1)}
    """
    return _page(await connection.fetch(text, *statement.values), wanted)


def _part(
    statement: StatementArguments,
    wanted: JobFilter,
    source: ListSource,
    bounds: Clause,
    *,
    whole: bool,
) -> str:
    """Of few jobs those that the source's index has (OFFSET keeps the planner from any other), else
    those that come next in the order asked."""
    rows = f"select {COLUMNS}, {ID} as number from jobs where {statement.write(source.clause)}"
    if whole:
        rows = f"select * from ({rows} order by {source.order} offset 0) as few where true"
    asked = statement.write(bounds)
    return f"({rows} and {asked} order by {_order(wanted)} limit {wanted.inspected})"


def _order(wanted: JobFilter) -> str:
    direction = "asc" if wanted.ascending else "desc"
    number = f"{_number(wanted.order_by)} {direction}"
    return number if wanted.order_by == "id" else f"{wanted.order_by} {direction}, {number}"


def _number(order: str) -> str:
    """The id, as the index of this order has it."""
    return "number" if order in ("id", "client", "state") else "id"


async def _bounds(connection: Connection, wanted: JobFilter) -> Clause | None:
    """The part of the order that is asked for; None: there is none."""
    clauses = []
    if wanted.after is not None:
        clauses.append(_beyond(wanted.order_by, ">" if wanted.ascending else "<", wanted.after))
    if wanted.before is not None:
        created_at = await connection.fetchval(SQL["created_by_then"], wanted.before)
        if created_at is None:
            return None
        value = wanted.before if wanted.order_by == "id" else created_at
        clauses.append(_beyond(wanted.order_by, "<", Cursor(value, wanted.before)))
    return all_of(clauses)


def _beyond(order: str, sign: str, cursor: Cursor) -> Clause:
    number = ID if _number(order) == "number" else "id"
    if order == "id":
        return Clause(f"{number} {sign} {{}}", (cursor.id,))
    return Clause(
        f"({order}, {number}) {sign} ({{}}::{ORDERS[order]}, {{}}::bigint)",
        (cursor.value, cursor.id),
    )


def _page(rows: Sequence[Row], wanted: JobFilter) -> Page:
    """Where the list was not full as far as it was inspected, it goes on from there."""
    fitting = [job_of(row) for row in rows if row["fits"]]
    page = Page(fitting[: wanted.limit])
    if len(fitting) > wanted.limit:
        page.next = wanted.cursor(page[-1])
    elif rows and rows[-1]["place"] == wanted.inspected:
        page.next = wanted.cursor(job_of(rows[-1]))
    return page
