"""A definition as it may be shown: what stands under the name of a secret is masked in it.

Templates that only say where a value comes from are no secrets: `{{ secrets.TOKEN }}` stays.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from taskengine.masking import is_secret, masked, stars
from taskengine.model import Json, JsonObject
from taskengine.workflows.schemas import resolved, secret_names

LOOKUP: Final = re.compile(
    r"((Basic|Bearer|Token) )?\{\{-?\s*[A-Za-z_][\w.]*(\s*\|\s*default\(none\))?\s*-?\}\}\n*"
)
NAMED: Final = ("properties", "patternProperties", "$defs", "dependentSchemas")
VALUES: Final = ("default", "const", "enum", "examples")


def shown_definition(content: JsonObject) -> JsonObject:
    """The content of a workflow without what nobody may read."""
    schema = content["parameters"]
    show = partial(masked, secrets=secret_names(schema), keep=is_lookup)
    return {
        **content,
        "parameters": _schema(schema, schema, hide=False),
        "tasks": [{**task, "with": show(task["with"])} for task in content["tasks"]],
        "callback": show(content["callback"]),
    }


def is_lookup(text: str) -> bool:
    return LOOKUP.fullmatch(text) is not None


def _schema(root: JsonObject, schema: Json, *, hide: bool) -> Json:
    """A schema is about names; of values it has defaults and the like."""
    if isinstance(schema, list):
        return [_schema(root, one, hide=hide) for one in schema]
    if not isinstance(schema, dict):
        return schema
    hide = hide or resolved(root, schema).get("writeOnly") is True
    shown: JsonObject = {}
    for key, value in schema.items():
        if key in NAMED and isinstance(value, dict):
            shown[key] = {
                name: _schema(root, one, hide=hide or is_secret(name))
                for name, one in value.items()
            }
        elif key in VALUES:
            shown[key] = _hidden(value) if hide else masked(value, keep=is_lookup)
        else:
            shown[key] = _schema(root, value, hide=hide)
    return shown


def _hidden(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _hidden(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_hidden(one) for one in value]
    return stars(value) if isinstance(value, str) and not is_lookup(value) else value
