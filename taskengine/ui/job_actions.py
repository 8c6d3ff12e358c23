"""What is done to a job from a page: as by the REST API, with the same lines in its log."""

from __future__ import annotations

from collections.abc import Mapping

from quart import Response

from taskengine.api.resources.callbacks import Callbacks
from taskengine.api.resources.changes import Changes
from taskengine.api.routes import job_number, number_in
from taskengine.model import BadInput, JsonObject
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit

# What a button does: the body of PUT /job/<id>, and the words for it.
CHANGES: Mapping[str, tuple[JsonObject, str]] = {
    "pause": ({"queue_state": "paused"}, "is paused"),
    "resume": ({"queue_state": "queued"}, "is resumed"),
    "break": ({"queue_state": "broken"}, "is stopped"),
    "top": ({"top_of_queue": True}, "goes before all others of its queue"),
    "keep": ({"persist": True}, "is kept when old jobs are removed"),
}
RERUNS: dict[str, JsonObject] = {
    "rerun": {"definition": "original"},
    "rerun_current": {"definition": "current"},
}


RETRIES: dict[str, JsonObject] = {
    "retry": {"definition": "original"},
    "retry_current": {"definition": "current"},
}


async def act(visit: Visit, job_id: str) -> Response:
    """Do what the button says, and go back to its page."""
    fields = await visit.form()
    number, wanted = job_number(job_id), fields.get("do", "")
    await visit.job(number)
    if body := {**RERUNS, **RETRIES}.get(wanted):
        return await _run_again(visit, number, body, retries=wanted in RETRIES)
    body, told = _change(wanted, fields)
    await Changes(visit.services).apply(number, visit.sent(body))
    visit.audit(f"{wanted} of job {number}")
    return visit.back(fields, f"jobs/{number}", f"Job {number} {told}.")


def _change(wanted: str, fields: Mapping[str, str]) -> tuple[JsonObject, str]:
    """The body of the update. Raises BadInput."""
    if wanted == "priority":
        priority = fields.get("priority", "")
        return {"priority": priority}, f"has the priority {priority}"
    if wanted not in CHANGES:
        raise BadInput(f"do: there is no such action: {wanted[:40]!r}")
    return CHANGES[wanted]


async def _run_again(visit: Visit, number: int, body: JsonObject, *, retries: bool) -> Response:
    """To the new job's page: there is what the button's page showed no more."""
    visit.services.check_open()
    new, outdated = await Changes(visit.services).run_again(
        number, visit.sent(body), body, retries=retries
    )
    visit.audit(f"{'retry' if retries else 'rerun'} of job {number} as {new}")
    how = "goes on" if retries else "runs again"
    said = " ".join([f"Job {number} {how} as job {new}.", *outdated])
    return visit.back({}, f"jobs/{new}", said)


async def replay(visit: Visit, job_id: str, callback_id: str) -> Response:
    """Send a callback of the job now, or again."""
    fields = await visit.form()
    number = job_number(job_id)
    await visit.job(number)
    callback = number_in(callback_id, "callback")
    await Callbacks(visit.services).send_again(callback, visit.client)
    visit.audit(f"replay of callback {callback} of job {number}")
    return visit.back(fields, f"jobs/{number}/callbacks", f"Callback {callback} is sent again.")


ROUTES = [
    PageRoute("POST", "/jobs/<job_id>", act),
    PageRoute("POST", "/jobs/<job_id>/callbacks/<callback_id>", replay),
]
