"""Options of the configuration as options of a command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as File

import click
from pydantic.fields import FieldInfo

from taskengine.configuration import PREFIX, Configuration
from taskengine.sources import Path, is_secret, known_options

FILE = click.Path(exists=True, dir_okay=False, path_type=File)


def configuration_options() -> Iterator[click.Option]:
    """An option for each option; one that is not given leaves it to environment and file."""
    text = "a TOML file with options.  [TASKENGINE_CONFIG; default: config/taskengine.toml]"
    yield click.Option(["--config"], metavar="FILE", type=FILE, help=text)
    for path, field in known_options(Configuration).items():
        if path == ("secrets",) or is_secret(field):
            continue  # a command line is seen by everybody on the machine
        name = "-".join(path).replace("_", "-").lower()
        is_flag = field.annotation is bool
        yield click.Option(
            [f"--{name}/--no-{name}" if is_flag else f"--{name}", "_".join(path).lower()],
            type=bool if is_flag else str,
            default=None,
            metavar=None if is_flag else _metavar(path[-1], field),
            help=_help(path, field),
        )


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
