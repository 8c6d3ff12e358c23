"""`taskengine pause`, `resume`, `break`, `update`, `rerun` and `retry`: one job, or all that a
filter matches, as a bulk operation; and `taskengine operations`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from taskengine.cli.filters import NAMES, filters, query_of
from taskengine.cli.output import json_option, plain, print_json, print_table, print_warnings
from taskengine.cli.rest import JOB_ID, Whole, connection, in_client
from taskengine.model import JsonObject

if TYPE_CHECKING:
    from taskengine.client import RestClient

VERBS = (  # command, the state that is asked for, what is said of it, help
    (
        "pause",
        "paused",
        "paused",
        "Hold a job: tasks that run go on to their end, no other is started.",
    ),
    ("resume", "queued", "resumed", "Let a paused job go on, or run a scheduled one now."),
    ("break", "broken", "stopped", "Stop a job for good: what runs of it is cancelled."),
)
ALL = " Without an ID, all jobs that the filters match."
PRIORITY = Whole(1, 10)


def _bulk(command: Callable[..., Any]) -> Callable[..., Any]:
    """One job, or a filter."""
    command = click.argument("job_id", metavar="[ID]", type=JOB_ID, required=False)(command)
    dry_run = click.option("--dry-run", is_flag=True, help="With filters: only count the jobs.")
    return filters(dry_run(command))


def _verb(name: str, state: str, done: str, about: str) -> click.Command:
    @click.command(name, help=about + ALL)
    @_bulk
    @json_option
    @connection
    def command(job_id: int | None, as_json: bool, **given: Any) -> None:
        query, dry_run, access = _split(job_id, given)
        if job_id is None:
            _operate(name, query, {"dry_run": dry_run}, as_json=as_json, access=access)
            return
        _update(job_id, {"queue_state": state}, done, as_json=as_json, access=access)

    return command


def _split(job_id: int | None, given: JsonObject) -> tuple[JsonObject, bool, JsonObject]:
    """The filter, whether it is only counted, and the connection. Raises UsageError unless there
    is an ID or a filter."""
    query = query_of({name: given.pop(name) for name in NAMES})
    dry_run = given.pop("dry_run")
    if job_id is None and not query:
        raise click.UsageError(
            "expected a job id, or a filter: --state, --failed, --from, --to, --of, --search"
        )
    if job_id is not None and (query or dry_run):
        raise click.UsageError("expected a job id or filters, not both")
    return query, dry_run, given


def _update(
    job_id: int, changes: JsonObject, done: str, *, as_json: bool, access: JsonObject
) -> None:
    told = in_client(lambda rest: rest.change(job_id, changes), access)
    if as_json:
        print_json(told)
    else:
        click.echo(f"job {job_id} {done}")


def _operate(
    action: str, query: JsonObject, body: JsonObject, *, as_json: bool, access: JsonObject
) -> None:
    """Begin an operation and wait for its end."""

    async def work(rest: RestClient) -> JsonObject:
        begun = await rest.operate(action, query, body)
        return await rest.watch_operation(begun["id"], partial(_progress, quiet=as_json))

    ended = in_client(work, access)
    if as_json:
        print_json(ended)
    else:
        _tell(ended)
    if ended["state"] not in ("done", "undone"):
        raise SystemExit(1)


def _progress(one: JsonObject, *, quiet: bool) -> None:
    """On a terminal: how far it has come."""
    if not quiet and sys.stderr.isatty():
        number = one["undone"] if one["state"] == "undoing" else one["done"] + one["skipped"]
        click.echo(f"\r{one['state']}: {number} of {one['matched']} jobs ", nl=False, err=True)


def _tell(one: JsonObject) -> None:
    if one["dry_run"]:
        click.echo(f"{one['matched']} jobs match")
        return
    skipped = f", {one['skipped']} skipped" if one["skipped"] else ""
    undone = f", {one['undone']} taken back" if one["undone"] else ""
    click.echo(
        f"operation {one['id']} ({one['action']}) {one['state']}: of {one['matched']} jobs "
        f"{one['done']} changed{skipped}{undone}"
    )
    for each in one["errors"]:
        click.echo(f"job {each['job']} skipped: {plain(each['error'])}", err=True)
    if one["undo_until"] and one["state"] in ("done", "aborted"):
        told = f"taskengine operations undo {one['id']}"
        click.echo(f"until {one['undo_until']}: {told}", err=True)


def _again(name: str, about: str) -> click.Command:
    @click.command(name, help=about + ALL)
    @_bulk
    @click.option("--definition", type=click.Choice(["original", "current"]), default="original",
                  show_default=True, help="The definition of the new job.")  # fmt: skip
    @json_option
    @connection
    def command(job_id: int | None, definition: str, as_json: bool, **given: Any) -> None:
        query, dry_run, access = _split(job_id, given)
        if job_id is None:
            body = {"dry_run": dry_run, "definition": definition}
            _operate(name, query, body, as_json=as_json, access=access)
            return
        told = in_client(lambda rest: rest.again(job_id, name, definition), access)
        if as_json:
            print_json(told)
            return
        click.echo(f"job {told['id']} accepted, a {name} of job {job_id}")
        print_warnings(told.get("warnings", ()))

    return command


@click.command()
@_bulk
@click.option("--priority", type=PRIORITY, help="1 (first) to 10.")
@click.option("--position", type=Whole(-(2**31), 2**31 - 1), help="Among equal priorities.")
@click.option("--top/--no-top", "top_of_queue", default=None, help="Before all others, or not.")
@click.option("--run-at", metavar="TIME", help="Not before this time.")
@click.option("--persist/--no-persist", default=None, help="Kept by the clean-up, or not.")
@json_option
@connection
def update(
    job_id: int | None,
    priority: int | None,
    position: int | None,
    top_of_queue: bool | None,
    run_at: str | None,
    persist: bool | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Change a job. Of all jobs that filters match, the priority."""
    query, dry_run, access = _split(job_id, given)
    fields = {"position": position, "top_of_queue": top_of_queue, "run_at": run_at}
    changes = {**fields, "persist": persist, "priority": priority}
    changes = {name: value for name, value in changes.items() if value is not None}
    if job_id is not None and changes:
        told = f"updated: {', '.join(sorted(changes))}"
        _update(job_id, changes, told, as_json=as_json, access=access)
        return
    if set(changes) != {"priority"}:
        raise click.UsageError("expected --priority, or with an ID any of the fields")
    body = {"dry_run": dry_run, "priority": priority}
    _operate("priority", query, body, as_json=as_json, access=access)


@click.group()
def operations() -> None:
    """Bulk operations: what was done to all jobs that a filter matched."""


@operations.command("list")
@json_option
@connection
def list_operations(as_json: bool, **access: str) -> None:
    """The latest 100, the newest first."""
    found = in_client(lambda rest: rest.get("/operations"), access)
    if as_json:
        print_json(found)
        return
    names = ("id", "client", "action", "state", "matched", "done", "skipped", "created_at")
    print_table(names, [[one[name] for name in names] for one in found])


def _operation(name: str, about: str) -> click.Command:
    @click.command(name, help=about)
    @click.argument("number", metavar="ID", type=JOB_ID)
    @json_option
    @connection
    def command(number: int, as_json: bool, **access: str) -> None:
        async def work(rest: RestClient) -> JsonObject:
            if name == "show":
                return dict(await rest.get(f"/operations/{number}"))
            await rest.post(f"/operations/{number}/{name}")
            return await rest.watch_operation(number, partial(_progress, quiet=as_json))

        found = in_client(work, access)
        if as_json:
            print_json(found)
        else:
            _tell(found)

    return command


for _one in (
    _operation("show", "An operation and its progress."),
    _operation("abort", "Abort an operation; what it has done stays done."),
    _operation("undo", "Take back what an operation has done, within 60 s of its end."),
):
    operations.add_command(_one)

verbs = [
    *(_verb(*verb) for verb in VERBS),
    update,
    _again(
        "rerun",
        "Run a job again with the same parameters; prints the new job's id. The original becomes "
        "broken. A second rerun prints the id already made.",
    ),
    _again(
        "retry",
        "Run a job that failed or was stopped again, from the tasks that did not complete; prints "
        "the new job's id. A second retry prints the id already made.",
    ),
    operations,
]
