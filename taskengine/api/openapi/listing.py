"""The parameters of GET /jobs, as the API's document tells them; job_filter() reads them."""

from __future__ import annotations

from taskengine.api.openapi.operation import TEXT, Parameter
from taskengine.model import JobState, JsonObject

ORDERS = {  # the keys of a list row → the store's names for them
    name: name
    for name in (
        "id",
        "client",
        "workflow",
        "priority",
        "position",
        "created_at",
        "updated_at",
        "failed",
        "run_at",
    )
} | {"queue_state": "state"}
FLAG_TEXT: JsonObject = {
    "type": "string",
    "pattern": "^(1|0|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo])?$",
    "examples": ["1"],
}
ITEMS: JsonObject = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1, "default": 10}
PLACE: JsonObject = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
MOMENT: JsonObject = {
    "anyOf": [{**TEXT, "format": "date"}, {**TEXT, "format": "date-time"}],
    "examples": ["2020-09-24", "2020-09-24T11:55:33.755Z"],
}
STATE = "|".join(f"{int(state)}|{state.label}" for state in JobState)
ORDER = {"enum": [*ORDERS]}
STATES = ", ".join(f"{int(state)} {state.label}" for state in JobState)


def _listed(pattern: str) -> JsonObject:
    return {**TEXT, "pattern": f"^({pattern})(,({pattern}))*$"}


LISTED = (
    Parameter("items", "The most jobs to return; more than 1,000 count as 1,000.", ITEMS),
    Parameter("limit", "Alias of `items`.", ITEMS),
    Parameter(
        "order_by", "The key to sort by. Default: `id`; with `from` or `to`, `created_at`.", ORDER
    ),
    Parameter("asc", "1: ascending order.", FLAG_TEXT),
    Parameter("state", f"Numbers or names, separated by commas: {STATES}.", _listed(STATE)),
    Parameter("from", "Created at or after this time or date.", MOMENT),
    Parameter("to", "Created at or before this time or date.", MOMENT),
    Parameter("failed", "1: only jobs that completed and failed.", FLAG_TEXT),
    Parameter("search", "A job id, or a content id or its beginning.", TEXT),
    Parameter("job_ids", "Job ids, separated by commas.", _listed("[0-9]{1,18}")),
    Parameter("client", "Only this client's jobs.", TEXT),
    Parameter("before", "Only jobs before this id, when sorted by `id` or `created_at`.", PLACE),
    Parameter(
        "cursor", "Where to continue: the cursor of a `Link` header, with the same order.", TEXT
    ),
)
