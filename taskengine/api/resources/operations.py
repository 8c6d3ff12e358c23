"""POST /jobs/bulk/<action>: an action on all jobs that a filter matches, and the operations that do
it: GET /operations, to abort and to undo them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from quart import Response

from taskengine.api.auth import caller, check_owner, reach
from taskengine.api.openapi.listing import LISTED
from taskengine.api.openapi.operation import (
    COUNT,
    FLAG,
    TEXT,
    TIME,
    WHOLE,
    Operation,
    ResponseSpec,
    list_of,
    nullable,
    one_of,
    record,
)
from taskengine.api.query import Query
from taskengine.api.reception import received
from taskengine.api.resources.changes import DEFINITIONS, ORIGINAL
from taskengine.api.resources.jobs import job_filter
from taskengine.api.responses import reply
from taskengine.api.routes import Route, number_in
from taskengine.api.services import Services
from taskengine.jobs.fields import updates
from taskengine.model import BadInput, Client, JsonObject, NotFound
from taskengine.operations import BulkAction, BulkOperation, BulkState, limited
from taskengine.store import JobFilter
from taskengine.texts import like
from taskengine.times import format_time
from taskengine.workflows.schemas import shown

FILTERS = ("state", "from", "to", "failed", "search", "job_ids", "client")
VALUES: dict[BulkAction, str] = {
    BulkAction.PRIORITY: "priority",
    BulkAction.RERUN: "definition",
    BulkAction.RETRY: "definition",
}
SKIPPED = record("Skipped", job=WHOLE, error=TEXT)
OPERATION = record(
    "BulkOperation",
    id=WHOLE,
    client=TEXT,
    action=one_of(*(action.value for action in BulkAction)),
    state=one_of(*(state.value for state in BulkState)),
    dry_run=FLAG,
    matched=COUNT,
    done=COUNT,
    skipped=COUNT,
    undone=COUNT,
    errors=list_of(SKIPPED),
    created_at=TIME,
    ended_at=nullable(TIME),
    undo_until=nullable(TIME),
)
NONE = "There is no such operation."
BULK = Operation(
    summary="Pause, resume, break, rerun, retry or reprioritise all jobs that a filter matches",
    tag="bulk",
    description="The filters are those of GET /jobs; without any it is refused. Jobs that came "
    "later are not touched. The operation counts what matches first, then goes on in small steps, "
    "whatever becomes of this engine. With `dry_run` it only counts. `priority` needs the body's "
    "`priority`; `rerun` and `retry` take `definition`.",
    answer=ResponseSpec("It has begun: its progress is at /operations/<id>.", OPERATION),
    parameters=[one for one in LISTED if one.name in FILTERS],
    body={
        "title": "Bulk",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "dry_run": {**FLAG, "description": "Only count what matches."},
            "priority": {"type": "integer", "minimum": 1, "maximum": 10},
            "definition": {"enum": [*DEFINITIONS]},
        },
    },
    errors={
        400: "There is no such action, no filter, or no job that both name.",
        403: "The filter names another client.",
        413: "The body is too large.",
    },
)
LIST = Operation(
    summary="The latest 100 operations, the newest first",
    tag="bulk",
    answer=ResponseSpec("An admin's are those of all clients.", list_of(OPERATION)),
)
OTHERS = "It belongs to another client."
ONE = Operation(
    summary="An operation and its progress",
    tag="bulk",
    answer=ResponseSpec("How far it has come.", OPERATION),
    errors={400: "The id is not a number.", 403: OTHERS, 404: NONE},
)
ABORT = Operation(
    summary="Abort an operation",
    tag="bulk",
    description="What it has done stays done.",
    answer=ResponseSpec("The operation.", OPERATION),
    errors={400: "It is over.", 403: OTHERS, 404: NONE},
)
UNDO = Operation(
    summary="Take back what an operation has done, within 60 s of its end",
    tag="bulk",
    description="Of `pause`, `resume` and `priority`: jobs that were changed otherwise since stay "
    "as they are.",
    answer=ResponseSpec("The operation.", OPERATION),
    errors={400: "It cannot be undone, or no more.", 403: OTHERS, 404: NONE},
)


@dataclass(frozen=True, slots=True)
class BulkOperations:
    services: Services

    async def begin(self, action: str) -> Response:
        self.services.check_open()
        async with received(self.services, any_type=True) as sent:
            wanted = action_of(action)
            body: JsonObject = {}
            if sent.raw.strip():
                body = await sent.value()
        return reply(operation_row(await self.start(sent.client, wanted, body)))

    async def start(self, client: Client, action: BulkAction, body: JsonObject) -> BulkOperation:
        """Begin an operation on what the query of the request names. Raises BadInput, Forbidden."""
        operation = BulkOperation(
            client.name,
            action,
            limited(action, _filter(client)),
            self.services.now(),
            _values(action, body),
            _dry_run(body),
        )
        return await self.record(operation)

    async def record(self, operation: BulkOperation) -> BulkOperation:
        """Have it done, by whichever instance comes to it."""
        begun = await self.services.store.start_operation(operation)
        self.services.operated()
        return begun

    async def many(self) -> Response:
        client = await caller(self.services)
        found = await self.services.store.operations(reach(client))
        return reply([operation_row(one) for one in found])

    async def one(self, operation_id: str) -> Response:
        return reply(operation_row(await self._asked(operation_id)))

    async def abort(self, operation_id: str) -> Response:
        return await self._change(operation_id, self.services.store.abort_operation)

    async def undo(self, operation_id: str) -> Response:
        return await self._change(operation_id, self.services.store.undo_operation)

    async def _change(
        self, text: str, how: Callable[[int, datetime], Awaitable[BulkOperation]]
    ) -> Response:
        return reply(operation_row(await self.change(await self._asked(text), how)))

    async def change(
        self, one: BulkOperation, how: Callable[[int, datetime], Awaitable[BulkOperation]]
    ) -> BulkOperation:
        """Have it aborted or undone. Raises BadInput."""
        changed = await how(one.id, self.services.now())
        self.services.operated()
        return changed

    async def _asked(self, text: str) -> BulkOperation:
        return await self.own(await caller(self.services), text)

    async def own(self, client: Client, text: str) -> BulkOperation:
        """An operation that the client may see. Raises NotFound, Forbidden."""
        number = number_in(text, "operation")
        found = await self.services.store.operation(number)
        if found is None:
            raise NotFound(f"there is no operation {number}")
        check_owner(reach(client), found.client)
        return found


def action_of(text: str) -> BulkAction:
    with suppress(ValueError):
        return BulkAction(text.lower())
    known = [action.value for action in BulkAction]
    raise BadInput(
        f"action: expected one of {', '.join(known)}, got {text[:40]!r}{like(text, known)}"
    )


def _filter(client: Client) -> JobFilter:
    """The jobs that the caller may change: its own, unless it is an admin."""
    query = Query.of_request(keep_blank=True)
    _check_values(query)
    wanted = job_filter(query)
    if client.admin:
        return wanted
    check_owner(client.name, wanted.client or client.name)
    if wanted == job_filter(Query({})):
        return wanted  # its own client is no filter
    return replace(wanted, client=client.name)


def _check_values(query: Query) -> None:
    """An empty filter is none in a list that is read; here it would hit jobs that were not meant,
    such as all that are queued for `state=queued&job_ids=`. Raises BadInput."""
    for name in query.values:
        if name in FILTERS and not query.texts(name):
            raise BadInput(f"{name}: expected a value: an empty filter would leave no job out")
    if query.text("failed") and not query.flag("failed"):
        raise BadInput("failed: expected 1: no filter leaves out the jobs that failed")


def _values(action: BulkAction, body: JsonObject) -> JsonObject:
    """What the action needs to know. Raises BadInput."""
    known = {"dry_run", VALUES.get(action, "dry_run")}
    for name in body.keys() - known:
        raise BadInput(f"{name[:40]}: {action.value} takes {', '.join(sorted(known))}")
    if action is BulkAction.PRIORITY:
        if body.get("priority") in (None, ""):
            raise BadInput("priority: expected a whole number from 1 to 10")
        return {"priority": updates({"priority": body["priority"]})["priority"]}
    definition = body.get("definition")
    if definition in (None, ""):
        definition = ORIGINAL
    if definition not in DEFINITIONS:
        raise BadInput(f"definition: expected original or current, got {shown(definition)}")
    return {"definition": definition} if "definition" in known else {}


def _dry_run(body: JsonObject) -> bool:
    given = body.get("dry_run", False)
    if not isinstance(given, bool):
        raise BadInput(f"dry_run: expected true or false, got {shown(given)}")
    return given


def operation_row(one: BulkOperation) -> JsonObject:
    return {
        "id": one.id,
        "client": one.client,
        "action": one.action.value,
        "state": one.state.value,
        "dry_run": one.dry_run,
        "matched": one.matched,
        "done": one.done,
        "skipped": one.skipped,
        "undone": one.undone,
        "errors": [{"job": job_id, "error": why} for job_id, why in one.errors],
        "created_at": format_time(one.created_at),
        "ended_at": one.ended_at and format_time(one.ended_at),
        "undo_until": one.undo_until and format_time(one.undo_until),
    }


def routes(services: Services) -> Sequence[Route]:
    operations = BulkOperations(services)
    return [
        Route("POST", "/jobs/bulk/<action>", operations.begin, BULK),
        Route("GET", "/operations", operations.many, LIST),
        Route("GET", "/operations/<operation_id>", operations.one, ONE),
        Route("POST", "/operations/<operation_id>/abort", operations.abort, ABORT),
        Route("POST", "/operations/<operation_id>/undo", operations.undo, UNDO),
    ]
