"""Settings of the configuration as options of a command."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from taskengine.configuration import PREFIX, Configuration
from taskengine.model import BadInput

Path = tuple[str, ...]  # of a setting: a name, or a table's name and one in it


def settings(model: type[BaseModel] = Configuration, above: Path = ()) -> dict[Path, FieldInfo]:
    """Every setting, also those in tables."""
    found: dict[Path, FieldInfo] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= settings(kind, (*above, name))
        else:
            found[*above, name] = field
    return found


def setting_options() -> Iterator[click.Option]:
    """An option for each setting; one that is not given leaves it to environment and file."""
    text = "a TOML file with settings.  [TASKENGINE_CONFIG; default: config/taskengine.toml]"
    yield click.Option(["--config"], metavar="FILE", help=text)
    for path, field in settings().items():
        name = "-".join(path).replace("_", "-")
        is_flag = field.annotation is bool
        yield click.Option(
            [f"--{name}/--no-{name}" if is_flag else f"--{name}", "_".join(path)],
            type=bool if is_flag else str,
            default=None,
            metavar=None if is_flag else _metavar(path[-1], field),
            help=_help(path, field),
        )


def chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as read_configuration() takes them."""
    values: dict[str, Any] = {}
    for path, field in settings().items():
        value = options["_".join(path)]
        if value is None:
            continue
        if field.annotation == dict[str, list[str]]:
            value = _json(path, value)
        table = values if len(path) == 1 else values.setdefault(path[0], {})
        table[path[-1]] = value
    return values


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise BadInput(f"configuration: {'.'.join(path)}: expected a JSON object") from None


def _metavar(name: str, field: FieldInfo) -> str:
    if field.annotation is float:
        return "NUMBER"
    known = {"database_url": "URL", "redis_url": "URL", "bind": "ADDRESS:PORT", "commands": "JSON"}
    known |= {"queues": "NAME=NUMBER,…", "bootstrap_client": "NAME:KEY"}
    return known.get(name, "TEXT")


def _help(path: Path, field: FieldInfo) -> str:
    about = (field.description or "").rstrip(".")
    facts = [PREFIX + "_".join(path).upper()]
    if default := _shown(field.default):
        facts.append(f"default: {default}")
    return f"{about}.  [{'; '.join(facts)}]"


def _shown(default: object) -> str:
    """A default as it would be given; nothing for those that the description tells."""
    if isinstance(default, dict):
        return ",".join(f"{key}={value}" for key, value in default.items())
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return "" if default is None else str(default).lower() if default is True else str(default)
