"""The bodies of submissions and updates, as the API's document tells them; jobs/ reads them."""

from __future__ import annotations

from taskengine.api.openapi.operation import HTTP_URL, TEXT
from taskengine.api.openapi.workflows import ANY_WORKFLOW
from taskengine.jobs.fields import GATE_NAMES, MAX_PARENTS, MAX_POSITION, READERS
from taskengine.model import JsonObject

IN_ANY_CASE = "|".join(
    "".join(f"[{letter.upper()}{letter}]" for letter in name)
    for name in ("paused", "broken", "queued")
)
# Numbers and flags may come as texts; null and empty texts are as good as absent.
LENIENT_FLAG: JsonObject = {
    "anyOf": [
        {"type": ["boolean", "null"]},
        {"enum": [0, 1]},
        {
            "type": "string",
            "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|0|1)?$",
            "examples": ["true"],
        },
    ]
}
LENIENT_TIME: JsonObject = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"enum": ["", None]}],
    "description": "ISO 8601; UTC if no zone is given.",
    "examples": ["2031-02-01T08:30:00.000"],
}
GATE: JsonObject = {
    "anyOf": [HTTP_URL, {"enum": ["", None]}],
    "description": "The job waits until this address answers 2xx or 3xx.",
    "examples": ["https://example.com/ready"],
}


def lenient_whole(low: int, high: int, text: str, default: int) -> JsonObject:
    """`text` is the pattern of such a number as a text."""
    return {
        "type": ["integer", "string", "null"],
        "minimum": low,
        "maximum": high,
        "pattern": f"^({text})?$",
        "default": default,
    }


PLANNING: JsonObject = {  # what an update may change as well
    "priority": {**lenient_whole(1, 10, "[1-9]|10", 5), "description": "1 is the highest."},
    "position": {
        **lenient_whole(-MAX_POSITION, MAX_POSITION, "[+-]?[0-9]{1,9}", 1),
        "description": "The order among jobs of equal priority.",
    },
    "top_of_queue": LENIENT_FLAG,
    "persist": {**LENIENT_FLAG, "description": "The clean-up does not remove the job."},
    "run_at": LENIENT_TIME,
    "semaphore_url": GATE,
    "sempahore_url": {**GATE, "deprecated": True},
    "semphore_url": {**GATE, "deprecated": True},
}
DEPENDS_ON: JsonObject = {
    "anyOf": [
        {
            "type": "array",
            "maxItems": MAX_PARENTS,
            "items": {
                "type": ["integer", "string"],
                "minimum": 1,
                "pattern": r"^0*[1-9][0-9]{0,17}(\.0*)?$",
            },
        },
        {"enum": ["", None]},
    ],
    "description": "Ids of jobs of the client that must complete before this job is queued.",
    "examples": [["123"]],
}
ASKED_STATE: JsonObject = {
    "anyOf": [
        {"type": "string", "pattern": f"^({IN_ANY_CASE}|0|4|6)$"},
        {"enum": [0, 4, 6]},
    ],
    "description": "`paused`, `broken` or `queued`, in any case, or their numbers; `queued` "
    "resumes a paused job and runs a scheduled one now.",
    "examples": ["paused"],
}
UPDATE: JsonObject = {
    "title": "Update",
    "type": "object",
    "properties": {
        "client": {**TEXT, "description": "The client, if no header names it."},
        "queue_state": ASKED_STATE,
        **PLANNING,
    },
    "anyOf": [{"required": [name]} for name in dict.fromkeys([*READERS, *GATE_NAMES])],
}
SUBMISSION: JsonObject = {
    "title": "Submission",
    "type": "object",
    "required": ["job", "parameters"],
    "properties": {
        "client": {**TEXT, "description": "The client, if no header names it."},
        "job": {
            "type": "object",
            "properties": {
                "workflow": {**TEXT, "description": "What to do with the parameters."},
                **PLANNING,
                "depends_on": DEPENDS_ON,
            },
        },
        "parameters": {"type": "object", "description": "The parameters of the workflow."},
    },
    **ANY_WORKFLOW,
}
