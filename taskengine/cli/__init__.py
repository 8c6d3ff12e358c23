"""The command `taskengine`. Each command imports what it needs when it runs, so help is quick.

Exit codes: 0 done; 1 failed, with one clear line; 2 called wrongly, or configured wrongly.
"""

from __future__ import annotations

from typing import Any

import click

from taskengine.cli.actions import actions
from taskengine.cli.benching import bench
from taskengine.cli.changes import verbs
from taskengine.cli.clients import client
from taskengine.cli.database import db
from taskengine.cli.demonstration import demo
from taskengine.cli.failures import in_words
from taskengine.cli.jobs import jobs, submit
from taskengine.cli.keys import keys
from taskengine.cli.logs import logs
from taskengine.cli.looking import looks
from taskengine.cli.serving import serve
from taskengine.cli.workflows import workflows


class Commands(click.Group):
    """All commands, with errors in words."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (Exception, BaseExceptionGroup) as error:
            if (words := in_words(error)) is error:
                raise
            raise words from None


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(package_name="taskengine", message="%(version)s")
def main() -> None:
    """A REST job engine for video-on-demand workflows.

    Exit codes: 0 done, 1 failed, 2 called or configured wrongly.
    """


@click.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    click.echo(installed("taskengine"))


for command in (
    serve,
    demo,
    client,
    db,
    workflows,
    actions,
    submit,
    jobs,
    logs,
    *looks,
    keys,
    *verbs,
    bench,
    version,
):
    main.add_command(command)


def run() -> None:
    """The entry point."""
    main(prog_name="taskengine")
