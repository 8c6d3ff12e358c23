"""`taskengine actions`: what tasks of workflow files can call. Needs no running engine."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING

import click

from taskengine.cli.output import json_option, print_json, print_table
from taskengine.model import JsonObject

if TYPE_CHECKING:
    from taskengine.actions import Action


@click.group()
def actions() -> None:
    """Actions that the tasks of workflow files can call."""


@actions.command("list")
@json_option
def list_actions(as_json: bool) -> None:
    """List all actions, including those of installed packages."""
    from taskengine.actions import find_actions

    found = [action for _, action in sorted(find_actions().items())]
    if as_json:
        print_json([_row(action) for action in found])
        return
    rows = [(one.name, " ".join(_arguments(one)), one.summary) for one in found]
    print_table(("action", "arguments", "what it does"), rows)


@actions.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show an action: its arguments with their types and defaults, and its description."""
    from taskengine.actions import find_actions
    from taskengine.model import NotFound
    from taskengine.texts import like

    known = find_actions()
    if name not in known:
        raise NotFound(f"there is no action {name}{like(name, known)}")
    action = known[name]
    if as_json:
        print_json(_row(action))
        return
    click.echo(f"{action.name}: {inspect.getdoc(action.function) or ''}\n")
    arguments = _row(action)["arguments"]
    rows = [(one["name"], one["type"], one.get("default", "required")) for one in arguments]
    print_table(("argument", "type", "default"), rows)


def _arguments(action: Action) -> list[str]:
    """Their names, the optional ones in brackets."""
    fields = action.arguments.model_fields.items()
    return [name if field.is_required() else f"[{name}]" for name, field in fields]


def _row(action: Action) -> JsonObject:
    schema = action.arguments.model_json_schema()
    arguments = []
    for name, about in schema.get("properties", {}).items():
        default = {"default": json.dumps(about["default"])} if "default" in about else {}
        arguments.append({"name": name, "type": _type(about), **default})
    return {
        "name": action.name,
        "summary": action.summary,
        "description": inspect.getdoc(action.function) or "",
        "arguments": arguments,
    }


def _type(schema: JsonObject) -> str:
    """A JSON Schema in a few words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    if "enum" in schema:
        return " or ".join(map(json.dumps, schema["enum"]))
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array" and schema.get("items"):
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "object" if "$ref" in schema else "any value"))
