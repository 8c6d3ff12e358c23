"""Workflows: their plan as a picture, their parameters, and a form that submits a job."""

from __future__ import annotations

from collections.abc import Mapping

from quart import Response

from taskengine.api.auth import owner_named
from taskengine.api.reading import Item
from taskengine.api.resources.submissions import Submissions
from taskengine.model import BadInput, Client, JsonObject, NotFound
from taskengine.texts import read_json
from taskengine.ui.forms import PREFIX, fields_of, parameters_of
from taskengine.ui.plan import drawn
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit
from taskengine.workflows.display import shown_definition
from taskengine.workflows.workflow import Workflow

OF_JOB = ("priority", "run_at")  # of the form, beside the parameters


async def workflows(visit: Visit) -> Response:
    library = visit.services.library()
    names = sorted({workflow.name for workflow in library.all()})
    usable = [library.find(visit.client.name, name) for name in names]
    return visit.page("workflows.html", workflows=[one for one in usable if one])


async def workflow(visit: Visit, name: str) -> Response:
    return _page(visit, _find(visit, visit.client, name), {})


def _find(visit: Visit, client: Client, name: str) -> Workflow:
    found = visit.services.library().find(client.name, name)
    if found is None:
        raise NotFound(f"there is no workflow {name[:40]!r}")
    return found


def _page(
    visit: Visit, found: Workflow, given: Mapping[str, str], problem: str = "", status: int = 200
) -> Response:
    shown = shown_definition(found.content)
    return visit.page(
        "workflow.html",
        status,
        workflow=found,
        plan=drawn(found),
        definition=shown,
        fields=fields_of(shown["parameters"]),
        given=given,
        problem=problem,
    )


async def submit(visit: Visit, name: str) -> Response:
    """Submit a job: by the fields of the form, or by all of its parameters as JSON."""
    fields = await visit.form()
    visit.services.check_open()
    owner = await owner_named(visit.services, visit.client, fields.get("client", "").strip())
    found = _find(visit, owner, name)
    try:
        job_id = await _submitted(visit, owner, found, fields)
    except BadInput as problem:
        kept = {key: text for key, text in fields.items() if key.startswith(PREFIX)}
        return _page(visit, found, {**fields, **kept}, str(problem), 400)
    visit.audit(f"submits job {job_id} of {found.name} for {owner.name}")
    return visit.back({}, f"jobs/{job_id}", f"Job {job_id} is accepted.")


async def _submitted(
    visit: Visit, owner: Client, found: Workflow, fields: Mapping[str, str]
) -> str:
    """The id of the accepted job. Raises BadInput for a refused one."""
    job = {key: fields[key].strip() for key in OF_JOB if fields.get(key, "").strip()}
    body = {
        "client": owner.name,
        "job": {"workflow": found.name, **job},
        "parameters": _parameters(found, fields),
    }
    sent = visit.sent(body)
    verdict = await Submissions(visit.services).accept(sent, Item(sent.raw, None, None))
    if verdict.status != 200:
        raise BadInput(str(verdict.content["error"]))
    return str(verdict.content["id"])


def _parameters(found: Workflow, fields: Mapping[str, str]) -> JsonObject:
    text = fields.get("document", "").strip()
    if not text:
        return parameters_of(found.parameters, fields)
    try:
        value = read_json(text)
    except ValueError as error:
        raise BadInput(f"parameters: expected JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadInput("parameters: expected a JSON object")
    return value


ROUTES = [
    PageRoute("GET", "/workflows", workflows),
    PageRoute("GET", "/workflows/<name>", workflow),
    PageRoute("POST", "/workflows/<name>", submit),
]
