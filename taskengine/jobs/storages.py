"""The storages of a submission: those that are not configured are refused before any work."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from taskengine.model import BadInput, Json, JsonObject
from taskengine.workflows.parameters import PreparedParameters, prepare
from taskengine.workflows.schemas import shown

FORMAT = "storage"  # of parameters that name one


def prepare_for(
    storages: Collection[str], schema: JsonObject, given: Json, scope: Mapping[str, Json]
) -> PreparedParameters:
    """The parameters of a job where these storages are configured. Raises BadInput."""
    prepared = prepare(schema, given, scope)
    _check_storages(schema, prepared.values, storages)
    return prepared


def _check_storages(schema: JsonObject, values: JsonObject, known: Collection[str]) -> None:
    """Spell the labels as they are, whatever case of letters they came in."""
    labels = {label.lower(): label for label in known}
    problems = []
    for name, about in schema.get("properties", {}).items():
        value = values.get(name)
        if about.get("format") != FORMAT or not isinstance(value, str):
            continue
        if value.lower() in labels:
            values[name] = labels[value.lower()]
        else:
            listed = ", ".join(known)
            problems.append(
                f"parameters.{name}: expected a storage that is configured here, {listed}, "
                f"got {shown(value)}"
            )
    if problems:
        raise BadInput("; ".join(problems))
