"""`taskengine logs`."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import click

from taskengine.cli.output import json_option, plain, print_json
from taskengine.cli.rest import JOB_ID, connection, in_client, tell_outage
from taskengine.model import JsonObject

if TYPE_CHECKING:
    from taskengine.client import RestClient


@click.command()
@click.argument("job_id", metavar="ID", type=JOB_ID)
@click.option("--follow", is_flag=True, help="Continue until the job has ended.")
@click.option("--all", "show_all", is_flag=True, help="Show hidden lines too.")
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
    """Print what is new at each look, also across a restart of the engine; the last look comes
    after the end of the job and of its tasks."""
    import trio

    from taskengine.client import POLL_INTERVAL, is_over, patiently

    last, ended = 0, False
    while not ended:
        ended = is_over(await patiently(lambda: rest.job(job_id), tell_outage))
        look = partial(rest.log, job_id, show_all=show_all, after=last)
        for line in await patiently(look, tell_outage):
            _print_line(line, as_json=as_json)
            last = line["id"]
        if not ended:
            await trio.sleep(POLL_INTERVAL)


def _print_line(line: JsonObject, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(line, ensure_ascii=False))
        return
    task = f" task {line['task_id']}" if line["task_id"] else ""
    about = f"{line['created_at']} {line['severity_description']:<5} {line['progname']}{task}"
    click.echo(f"{about}: {plain(line['message'])}")
