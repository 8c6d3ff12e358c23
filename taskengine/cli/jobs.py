"""`taskengine submit` and `taskengine jobs`."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from taskengine.cli.filters import NAMES, filters, query_of
from taskengine.cli.output import json_option, print_json, print_table, print_warnings
from taskengine.cli.rest import Whole, connection, in_client, tell_outage
from taskengine.model import BadInput, Json, JsonObject

if TYPE_CHECKING:
    from taskengine.client import RestClient

MOST = 1000  # jobs on a page


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--watch", is_flag=True, help="Show the progress until the job has ended.")
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
        print_warnings(await rest.warnings(job_id))
        accepted = {"id": str(job_id), "result": "accepted"}
        return await _watched(rest, job_id) if watch else accepted

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
        return await rest.watch(job_id, show, tell_outage)


def _judge(job: JsonObject, *, quiet: bool) -> None:
    """Tell how a job ended, and end with 1 unless it completed."""
    failed = job["failed"] or job["queue_state"] != "completed"
    if not quiet:
        click.echo(f"job {job['id']} {_state(job)}", err=failed)
    if failed:
        raise SystemExit(1)


@click.command()
@filters
@click.option("--limit", default=10, show_default=True, type=Whole(1, MOST))
@click.option("--all", "whole", is_flag=True, help="All jobs, without a limit.")
@json_option
@connection
def jobs(
    limit: int,
    whole: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """List jobs, the newest first."""
    asked = query_of({name: given.pop(name) for name in NAMES})
    asked["limit"], access = MOST if whole else limit, given
    found = in_client(lambda rest: rest.jobs(asked, whole=whole), access)
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
