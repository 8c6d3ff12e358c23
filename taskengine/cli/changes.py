"""`taskengine pause`, `resume`, `break`, `rerun` and `retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from taskengine.cli.output import json_option, plain, print_json
from taskengine.cli.rest import JOB_ID, connection, in_client
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


def _verb(name: str, state: str, done: str, about: str) -> click.Command:
    @click.command(name, help=about)
    @click.argument("job_id", metavar="ID", type=JOB_ID)
    @json_option
    @connection
    def command(job_id: int, as_json: bool, **access: str) -> None:
        async def work(rest: RestClient) -> JsonObject:
            return await rest.change(job_id, {"queue_state": state})

        told = in_client(work, access)
        if as_json:
            print_json(told)
        else:
            click.echo(f"job {job_id} {done}")

    return command


verbs = [_verb(*verb) for verb in VERBS]


def _again(name: str, about: str) -> click.Command:
    @click.command(name, help=about)
    @click.argument("job_id", metavar="ID", type=JOB_ID)
    @click.option("--definition", type=click.Choice(["original", "current"]), default="original",
                  show_default=True, help="The definition of the new job.")  # fmt: skip
    @json_option
    @connection
    def command(job_id: int, definition: str, as_json: bool, **access: str) -> None:
        async def work(rest: RestClient) -> JsonObject:
            return await (rest.rerun if name == "rerun" else rest.retry)(job_id, definition)

        told = in_client(work, access)
        if as_json:
            print_json(told)
            return
        click.echo(f"job {told['id']} accepted, a {name} of job {job_id}")
        for warning in told.get("warnings", ()):
            click.echo(f"warning: {plain(warning)}", err=True)

    return command


verbs += [
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
]
