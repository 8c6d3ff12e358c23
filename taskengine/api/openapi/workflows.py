"""The workflows in the document: the parameters of each, and which belong to which name."""

from __future__ import annotations

from collections.abc import Sequence

from taskengine.api.openapi.lenient import parameters_of
from taskengine.api.openapi.operation import TEXT
from taskengine.api.openapi.writer import COMPONENTS
from taskengine.jobs.storages import FORMAT as STORAGE
from taskengine.model import JsonObject
from taskengine.workflows.display import shown_definition
from taskengine.workflows.workflow import Workflow

ANY_WORKFLOW = {"$ref": f"{COMPONENTS}AnyWorkflow"}
OTHERS = "A workflow of the client's own (GET /workflows), or one named by `parameters.workflow`."


def workflow_schemas(workflows: Sequence[Workflow], storages: Sequence[str]) -> JsonObject:
    """`workflow_<name>` for each, and what ties `job.workflow` to the parameters; `storages` are
    those that are configured."""
    made: JsonObject = {}
    for workflow in workflows:
        place = f"{COMPONENTS}workflow_{workflow.name}"
        known = _where(shown_definition(workflow.content)["parameters"], storages)
        schema = {"type": "object", **parameters_of(known, place)}
        made[f"workflow_{workflow.name}"] = {"description": workflow.summary, **schema}
    names = [workflow.name for workflow in workflows]
    made["AnyWorkflow"] = {"anyOf": [*map(_choice, names), _others(names)]}
    return made


def _where(schema: JsonObject, storages: Sequence[str]) -> JsonObject:
    """The parameters, and of those that name a storage: which there are."""
    properties = {
        name: {**about, "enum": [*storages]} if about.get("format") == STORAGE else about
        for name, about in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}


def _choice(name: str) -> JsonObject:
    job = {"type": "object", "required": ["workflow"], "properties": {"workflow": {"const": name}}}
    parameters = {"$ref": f"{COMPONENTS}workflow_{name}"}
    return {"description": name, "properties": {"job": job, "parameters": parameters}}


def _others(names: Sequence[str]) -> JsonObject:
    other = {**TEXT, "not": {"enum": [*names]}}
    return {
        "description": OTHERS,
        "properties": {"job": {"properties": {"workflow": other}}},
    }
