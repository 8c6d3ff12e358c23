"""`taskengine submit`, `jobs` and `logs`: a client's view, through the REST API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from taskengine.cli.output import json_option, plain, print_json, print_table
from taskengine.model import BadInput, JobState, Json, JsonObject

if TYPE_CHECKING:
    from taskengine.client import RestClient

T = TypeVar("T")

URL = "http://127.0.0.1:8080"
STATES = [state.label for state in JobState]


def connection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which engine, and as whom."""
    for option in (
        click.option("--api-key", envvar="TASKENGINE_API_KEY", metavar="KEY", default="",
                     help="Its key.", show_envvar=True),
        click.option("--client", envvar="TASKENGINE_CLIENT", metavar="NAME", default="",
                     help="The client to call as.", show_envvar=True),
        click.option("--url", envvar="TASKENGINE_URL", metavar="URL", default=URL,
                     help="The engine.", show_envvar=True, show_default=True),
    ):  # fmt: skip
        command = option(command)
    return command


def in_client(work: Callable[[RestClient], Awaitable[T]], access: JsonObject) -> T:
    """Do some work as a client of the engine."""
    import trio

    from taskengine.client import open_client

    async def main() -> T:
        async with open_client(**access) as rest:
            return await work(rest)

    return trio.run(main)


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--watch", is_flag=True, help="Show how it comes along, until it has ended.")
@json_option
@connection
def submit(file: IO[bytes], watch: bool, as_json: bool, **access: str) -> None:
    """Submit the job in FILE (`-`: standard input), the JSON body of POST /job.

    With --watch the exit code is 0 if the job completed, 1 if it failed or broke.
    """
    body = _read(file)

    async def work(rest: RestClient) -> JsonObject:
        job_id = await rest.submit(body)
        if not as_json:
            click.echo(f"job {job_id} accepted")
        return await _watched(rest, job_id) if watch else {"id": job_id, "result": "accepted"}

    ended = in_client(work, access)
    if as_json:
        print_json(ended)
    if watch:
        _judge(ended, quiet=as_json)


def _read(file: IO[bytes]) -> Json:
    import json

    try:
        return json.load(file)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file.name}: no JSON: {error}") from None


async def _watched(rest: RestClient, job_id: int) -> JsonObject:
    from rich.console import Console

    from taskengine.watching import shown_jobs

    with shown_jobs(Console(stderr=True, highlight=False)) as show:
        return await rest.watch(job_id, show)


def _judge(job: JsonObject, *, quiet: bool) -> None:
    """Tell how a job ended, and end with 1 unless it completed."""
    failed = job["failed"] or job["queue_state"] != "completed"
    if not quiet:
        state = "failed" if failed and job["queue_state"] == "completed" else job["queue_state"]
        click.echo(f"job {job['id']} {state}", err=failed)
    if failed:
        raise SystemExit(1)


@click.command()
@click.option("--state", multiple=True, type=click.Choice(STATES), help="May be given repeatedly.")
@click.option("--failed", is_flag=True, help="Failed ones alone.")
@click.option("--of", metavar="CLIENT", help="Those of one client.")
@click.option("--search", metavar="TEXT", help="An id, or the beginning of a content id.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000))
@json_option
@connection
def jobs(
    state: tuple[str, ...],
    failed: bool,
    of: str | None,
    search: str | None,
    limit: int,
    as_json: bool,
    **access: str,
) -> None:
    """List jobs, the newest first."""
    asked: dict[str, str | int] = {"limit": limit, "state": ",".join(state), "failed": int(failed)}
    asked |= {"client": of or "", "search": search or ""}
    found = in_client(lambda rest: rest.jobs(asked), access)
    if as_json:
        print_json(found)
        return
    rows = [
        (j["id"], j["client"], j["workflow"], _state(j), j["priority"], j["created_at"])
        for j in found
    ]
    print_table(("job", "client", "workflow", "state", "priority", "created"), rows)


def _state(job: JsonObject) -> str:
    failed = job["failed"] and job["queue_state"] == "completed"
    return "failed" if failed else str(job["queue_state"])


@click.command()
@click.argument("job_id", metavar="ID", type=click.IntRange(1))
@click.option("--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--all", "show_all", is_flag=True, help="Hidden lines too.")
@json_option
@connection
def logs(job_id: int, follow: bool, show_all: bool, as_json: bool, **access: str) -> None:
    """Print the log of a job. With --follow, --json prints a line for each entry."""

    async def work(rest: RestClient) -> list[JsonObject]:
        if not follow:
            return await rest.log(job_id, show_all=show_all)
        await _follow(rest, job_id, show_all=show_all, as_json=as_json)
        return []

    found = in_client(work, access)
    if as_json and not follow:
        print_json(found)
    else:
        for line in found:
            _print_line(line, as_json=False)


async def _follow(rest: RestClient, job_id: int, *, show_all: bool, as_json: bool) -> None:
    """Print what is new at each look; the last look comes after the job's end."""
    import trio

    from taskengine.client import ENDED, LOOK

    seen = set[int]()
    ended = False
    while not ended:
        ended = (await rest.job(job_id))["queue_state"] in ENDED
        for line in await rest.log(job_id, show_all=show_all):
            if line["id"] not in seen:
                _print_line(line, as_json=as_json)
            seen.add(line["id"])
        if not ended:
            await trio.sleep(LOOK)


def _print_line(line: JsonObject, *, as_json: bool) -> None:
    import json

    if as_json:
        click.echo(json.dumps(line, ensure_ascii=False))
        return
    task = f" task {line['task_id']}" if line["task_id"] else ""
    about = f"{line['created_at']} {line['severity_description']:<5} {line['progname']}{task}"
    click.echo(f"{about}: {plain(line['message'])}")
