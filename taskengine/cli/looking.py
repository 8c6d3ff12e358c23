"""Commands that look: `show`, `explain`, `callbacks`, `events`, `health`; and `replay`, `settings`,
`schedules`, `pauses`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from taskengine.cli.output import json_option, plain, print_json, print_table, print_warnings
from taskengine.cli.rest import JOB_ID, connection, in_client
from taskengine.model import Json, JsonObject
from taskengine.pauses import PauseKind

if TYPE_CHECKING:
    from taskengine.client import RestClient

FIELDS = (
    *("id", "client", "workflow", "queue_state", "failed", "priority", "progress", "created_at"),
    *("updated_at", "run_at", "content_id", "depends_on", "rerun_of", "definition"),
)


@click.command()
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@connection
def show(job_id: int, as_json: bool, **access: str) -> None:
    """Show a job with its tasks."""
    job = in_client(lambda rest: rest.job(job_id), access)
    if as_json:
        print_json(job)
        return
    _print_fields({name: job[name] for name in FIELDS if job.get(name) not in (None, [])})
    columns = ("name", "action", "state", "attempt", "progress", "started_at", "ended_at", "error")
    _print_rows(columns, job["tasks"])


@click.command()
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@connection
def explain(job_id: int, as_json: bool, **access: str) -> None:
    """Say why a job does not run, or what became of it."""
    told = in_client(lambda rest: rest.get(f"/jobs/{job_id}/explain"), access)
    if as_json:
        print_json(told)
        return
    click.echo(f"job {job_id} is {told['queue_state']}")
    for reason in told["reasons"]:
        click.echo(plain(reason["message"]))
    if expected := told["expected_start"]:
        click.echo(plain(expected["message"]))


@click.command()
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@connection
def callbacks(job_id: int, as_json: bool, **access: str) -> None:
    """List the callbacks of a job, by URL, in the order of delivery."""
    found = in_client(lambda rest: rest.get(f"/jobs/{job_id}/callbacks"), access)
    if as_json:
        print_json(found)
        return
    columns = ("id", "event", "task_name", "state", "attempts", "status", "next_try_at", "url")
    _print_rows((*columns, "error"), found)


@click.command()
@click.argument("callback_id", metavar="ID", type=JOB_ID)
@json_option
@connection
def replay(callback_id: int, as_json: bool, **access: str) -> None:
    """Deliver a callback once more; `callbacks` has its id."""
    told = in_client(lambda rest: rest.post(f"/callbacks/{callback_id}/replay"), access)
    if as_json:
        print_json(told)
    else:
        click.echo(f"callback {callback_id} is sent again")


@click.command()
@click.argument("changes", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--of", metavar="CLIENT", help="An admin: the settings of this client.")
@json_option
@connection
def settings(changes: Sequence[str], of: str | None, as_json: bool, **access: str) -> None:
    """Show the settings in force, or change some: an admin the system's, others their own."""
    given = [_pair(text) for text in changes]
    if of and not given:
        raise click.UsageError("--of is for changes: NAME=VALUE")

    async def work(rest: RestClient) -> Json:
        for name, value in given:
            named = {"client": of} if of else {}
            told = await rest.post("/settings", {"name": name, "setting": value, **named})
            print_warnings(told.get("warnings", ()))
        return (await rest.get("/settings"))["settings"]

    found = in_client(work, access)
    if as_json:
        print_json(found)
    elif not of:
        print_table(("setting", "value"), sorted(found.items()))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"expected NAME=VALUE, got {text[:40]!r}")
    return name.strip(), value.strip()


@click.group(invoke_without_command=True)
@json_option
@connection
@click.pass_context
def schedules(ctx: click.Context, /, as_json: bool, **access: str) -> None:
    """List what recurs; `on`, `off` and `remove` change it."""
    if ctx.invoked_subcommand is not None:
        return
    found = in_client(lambda rest: rest.get("/schedules"), access)["schedules"]
    if as_json:
        print_json(found)
        return
    rows = [{"name": name, **one} for name, one in found.items()]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    _print_rows(columns, rows)


def _switch(name: str, active: bool) -> click.Command:
    @click.command(name, help=f"Switch a schedule {name}.")
    @click.argument("schedule", metavar="NAME")
    @connection
    def command(schedule: str, **access: str) -> None:
        body = {"schedule": schedule, "active": active}
        in_client(lambda rest: rest.put("/scheduler", body), access)
        click.echo(f"schedule {schedule} is {name}")

    return command


schedules.add_command(_switch("on", True))
schedules.add_command(_switch("off", False))


@schedules.command("remove")
@click.argument("schedule", metavar="NAME")
@connection
def remove_schedule(schedule: str, **access: str) -> None:
    """Remove a schedule."""
    in_client(lambda rest: rest.delete(f"/schedules/{schedule}"), access)
    click.echo(f"schedule {schedule} is removed")


@click.group(invoke_without_command=True)
@json_option
@connection
@click.pass_context
def pauses(ctx: click.Context, /, as_json: bool, **access: str) -> None:
    """List clients, workflows, queues and instances that are paused; `on` and `off` change it."""
    if ctx.invoked_subcommand is not None:
        return
    found = in_client(lambda rest: rest.get("/pauses"), access)["pauses"]
    if as_json:
        print_json(found)
        return
    _print_rows(("kind", "name", "since", "until", "by"), found)


KIND = click.argument("kind", type=click.Choice([kind.value for kind in PauseKind]))


@pauses.command("on")
@KIND
@click.argument("name")
@click.option("--until", metavar="TIME", help="The end; without it `off` ends the pause.")
@connection
def pause_on(kind: str, name: str, until: str | None, **access: str) -> None:
    """Pause a client, a workflow, a queue or an instance: what runs goes on, nothing new begins."""
    body = {"kind": kind, "name": name, "until": until}
    told = in_client(lambda rest: rest.post("/pauses", body), access)
    print_warnings(told.get("warnings", ()))
    click.echo(f"{kind} {name} is paused")


@pauses.command("off")
@KIND
@click.argument("name")
@connection
def pause_off(kind: str, name: str, **access: str) -> None:
    """End a pause."""
    in_client(lambda rest: rest.delete(f"/pauses/{kind}/{quote(name)}"), access)
    click.echo(f"{kind} {name} is paused no more")


@click.command()
@connection
def events(**access: str) -> None:
    """Print changes of jobs as they happen, an object of JSON a line, until Ctrl-C."""

    async def work(rest: RestClient) -> None:
        async for data in rest.events():
            click.echo(data)

    in_client(work, access)


@click.command()
@json_option
@connection
def health(as_json: bool, **access: str) -> None:
    """Show the health of the engine; the exit code is 1 unless it takes jobs."""

    async def work(rest: RestClient) -> tuple[JsonObject, bool]:
        found, ready = await rest.get("/health"), True
        try:
            await rest.get("/readyz")
        except Exception as error:
            ready = False
            click.echo(f"not ready: {plain(str(error))}", err=True)
        return found, ready

    found, ready = in_client(work, access)
    if as_json:
        print_json(found)
    else:
        _print_fields(found)
    if not ready:
        raise SystemExit(1)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion of a shell, as in: eval "$(taskengine completion bash)"."""
    from click.shell_completion import get_completion_class

    from taskengine.cli import main

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "taskengine", "_TASKENGINE_COMPLETE").source())


def _print_fields(fields: JsonObject) -> None:
    print_table(("", ""), [(name, _text(value)) for name, value in fields.items()])


def _print_rows(columns: Sequence[str], rows: Sequence[JsonObject]) -> None:
    print_table(columns, [[_text(row.get(name)) for name in columns] for row in rows])


def _text(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


looks = [
    *(show, explain, callbacks, replay, settings, schedules, pauses, events, health, completion),
]
