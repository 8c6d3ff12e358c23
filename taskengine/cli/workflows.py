"""`taskengine workflows`: what the files define. Needs no running engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from taskengine.cli.output import json_option, print_json, print_table
from taskengine.model import Json, JsonObject

if TYPE_CHECKING:
    from taskengine.workflows.library import Library, Problem


PLACE = click.Path(exists=True, path_type=Path)
SHOWN = 2  # tasks of a workflow in a list


@click.group()
def workflows() -> None:
    """Workflow files: config/workflows and the folders of TASKENGINE_WORKFLOWS."""


@workflows.command("list")
@json_option
def list_workflows(as_json: bool) -> None:
    """List all workflows."""
    found = configured().all()
    if as_json:
        print_json([workflow.overview for workflow in found])
        return
    rows = [(w.name, w.client, _tasks(w.names), w.summary) for w in found]
    print_table(("workflow", "client", "tasks", "summary"), rows)


@workflows.command()
@click.argument("name")
@click.option("--client", default="", metavar="NAME", help="The workflow as this client sees it.")
@json_option
def show(name: str, client: str, as_json: bool) -> None:
    """Show a workflow: its parameters with their defaults, and its tasks."""
    from taskengine.model import NotFound
    from taskengine.workflows.display import shown_definition

    workflow = configured().find(client, name)
    if workflow is None:
        raise NotFound(f"there is no workflow {name}")
    if as_json:
        print_json({**workflow.overview, "definition": shown_definition(workflow.content)})
        return
    owner = f" (of {workflow.client})" if workflow.client else ""
    click.echo(f"{workflow.name}{owner}: {workflow.summary}\n")
    if parameters := _parameters(shown_definition(workflow.content)["parameters"]):
        print_table(("parameter", "type", "default", "meaning"), parameters)
        click.echo()
    rows = [(t.name, t.action, t.queue, _when(t.when)) for t in workflow.tasks]
    print_table(("task", "action", "queue", "when"), rows)


@workflows.command()
@click.argument("places", metavar="[FILE|FOLDER]…", nargs=-1, type=PLACE)
@json_option
def check(places: tuple[Path, ...], as_json: bool) -> None:
    """Check workflow files: the configured ones, or the given files, or all files of folders laid
    out like config/workflows.

    Prints every problem with its file and line, and exits with 1 if there is any.
    """
    from taskengine.workflows.library import WorkflowErrors

    problems: list[Problem] = []
    number = 0
    try:
        number = read(places) if places else len(configured().all())
    except WorkflowErrors as errors:
        problems += errors.problems
    if as_json:
        print_json([_problem(problem) for problem in problems])
    elif problems:
        click.echo("\n".join(map(str, problems)), err=True)
    else:
        click.echo(f"{number} workflow{'' if number == 1 else 's'}, no problem")
    if problems:
        raise SystemExit(1)


def configured() -> Library:
    """The workflows of the configured folders."""
    from taskengine.actions import find_actions
    from taskengine.configuration import read_configuration
    from taskengine.workflows.library import load

    return load(read_configuration().workflow_folders, find_actions())


def read(places: tuple[Path, ...]) -> int:
    """How many workflows there are in files and folders; a folder that holds none is a mistake.
    Raises WorkflowErrors with the problems of all."""
    from taskengine.actions import find_actions
    from taskengine.workflows.library import Problem, WorkflowErrors, load, stray_files
    from taskengine.workflows.library import read as read_file

    actions, number, problems = find_actions(), 0, list[Problem]()
    for place in places:
        try:
            if not place.is_dir():
                read_file(place, actions)
                number += 1
                continue
            number += len(load([place], actions).all())
            problems += stray_files(place)
        except WorkflowErrors as errors:
            problems += errors.problems
    if problems:
        raise WorkflowErrors(problems)
    return number


def _tasks(names: Sequence[str]) -> str:
    """The first ones, in a column that a terminal has room for."""
    more = f" → … ({len(names)})" if len(names) > SHOWN else ""
    return " → ".join(names[:SHOWN]) + more


def _parameters(schema: JsonObject) -> list[tuple[object, ...]]:
    import json

    required = schema.get("required", [])
    rows: list[tuple[object, ...]] = []
    for name, about in schema.get("properties", {}).items():
        kind = about.get("type", "")
        kind = " or ".join(kind) if isinstance(kind, list) else kind
        default = json.dumps(about["default"]) if "default" in about else ""
        default = "required" if name in required else default
        rows.append((name, kind, default, about.get("description", "")))
    return rows


def _when(when: Json) -> str:
    return "" if when is True else str(when)


def _problem(problem: Problem) -> Json:
    return {"file": str(problem.file), "line": problem.line, "message": problem.message}
