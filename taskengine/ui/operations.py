"""Bulk operations: done to all jobs that a filter matches, counted first, with a way back."""

from __future__ import annotations

from quart import Response, request

from taskengine.api.resources.operations import FILTERS, BulkOperations, action_of
from taskengine.model import BadInput
from taskengine.operations import ACTIVE, BulkOperation, BulkState
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit

UNDOABLE = (BulkState.DONE, BulkState.ABORTED)
WORDS = {
    "pause": "Pause",
    "resume": "Resume",
    "break": "Stop for good",
    "priority": "Set the priority",
    "rerun": "Run again",
    "retry": "Go on where they failed",
}


async def operations(visit: Visit) -> Response:
    found = await visit.services.store.operations(visit.only)
    return visit.page("operations.html", operations=found, words=WORDS)


async def operation(visit: Visit, operation_id: str) -> Response:
    found = await BulkOperations(visit.services).own(visit.client, operation_id)
    now = visit.services.now()
    return visit.page(
        "operation.html",
        operation=found,
        words=WORDS,
        told=_filter_in_words(found),
        active=found.state in ACTIVE,
        may_undo=found.state in UNDOABLE and now < (found.undo_until or now),
    )


def _filter_in_words(one: BulkOperation) -> list[tuple[str, str]]:
    """The filter, without what it leaves open."""
    wanted = one.wanted
    told = {
        "state": ", ".join(state.label for state in wanted.states),
        "failed": "yes" if wanted.failed else "",
        "client": wanted.client or "",
        "search": wanted.search or "",
        "from": wanted.since.isoformat() if wanted.since else "",
        "to": wanted.until.isoformat() if wanted.until else "",
        "jobs": ", ".join(map(str, wanted.job_ids[:50])),
    }
    return [(name, text) for name, text in told.items() if text]


async def begin(visit: Visit) -> Response:
    """Count the jobs that the filter of the query matches: the next page asks before it does it."""
    fields = await visit.form()
    visit.services.check_open()
    action = action_of(fields.get("do", ""))
    body: dict[str, object] = {"dry_run": True}
    if action.value == "priority":
        body["priority"] = fields.get("priority", "")
    begun = await BulkOperations(visit.services).start(visit.client, action, body)
    visit.audit(f"counts for {action.value}: operation {begun.id}")
    return visit.back({}, f"operations/{begun.id}", "")


async def act(visit: Visit, operation_id: str) -> Response:
    """Do what was counted, abort what is under way, or take back what was done."""
    fields = await visit.form()
    resource, wanted = BulkOperations(visit.services), fields.get("do", "")
    found = await resource.own(visit.client, operation_id)
    store = visit.services.store
    if wanted == "begin" and found.dry_run:
        now = visit.services.now()
        anew = BulkOperation(visit.client.name, found.action, found.wanted, now, found.values)
        found = await resource.record(anew)
        said = f"Operation {found.id} has begun."
    elif wanted == "abort":
        await resource.change(found, store.abort_operation)
        said = f"Operation {found.id} is aborted; what is done stays done."
    elif wanted == "undo":
        await resource.change(found, store.undo_operation)
        said = f"What operation {found.id} has done is being taken back."
    else:
        raise BadInput(f"do: expected begin, abort or undo, got {wanted[:40]!r}")
    visit.audit(f"{wanted} of operation {found.id}, by {request.path}")
    return visit.back({}, f"operations/{found.id}", said)


ROUTES = [
    PageRoute("GET", "/operations", operations),
    PageRoute("GET", "/operations/<operation_id>", operation),
    PageRoute("POST", "/operations/<operation_id>", act),
    PageRoute("POST", "/jobs/bulk", begin, query=FILTERS),
]
