"""`taskengine workflows`: what the files define. Needs no running engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from taskengine.cli.output import json_option, print_json, print_table
from taskengine.model import Json, JsonObject

if TYPE_CHECKING:
    from taskengine.workflows.library import Library, Problem


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
    rows = [(w.name, w.client, " → ".join(w.names), w.summary) for w in found]
    print_table(("workflow", "client", "tasks", "summary"), rows)


@workflows.command()
@click.argument("name")
@click.option("--client", default="", metavar="NAME", help="As this client gets it.")
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
@click.argument("folders", nargs=-1, type=click.Path(exists=True, path_type=Path))
@json_option
def check(folders: tuple[Path, ...], as_json: bool) -> None:
    """Check workflow files: those configured, or those of folders laid out like config/workflows.

    Prints every problem with its file and line, and ends with 1 if there is one.
    """
    from taskengine.workflows.library import WorkflowErrors

    problems: list[Problem] = []
    number = 0
    try:
        number = len(read(folders).all() if folders else configured().all())
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


def read(places: tuple[Path, ...]) -> Library:
    """The workflows of folders; one that holds none is a mistake."""
    from taskengine.actions import find_actions
    from taskengine.workflows.library import Problem, WorkflowErrors, load, workflow_files

    library = load(places, find_actions())
    empty = [place for place in places if not any(workflow_files(place))]
    if empty:
        text = "holds neither common/*.yaml nor clients/<client>/*.yaml"
        raise WorkflowErrors(Problem(place, 1, text) for place in empty)
    return library


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
