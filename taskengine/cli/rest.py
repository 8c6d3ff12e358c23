"""Commands that go through the REST API, as any client does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskengine.model import JsonObject

if TYPE_CHECKING:
    from taskengine.client import RestClient

T = TypeVar("T")


class JobId(click.ParamType):  # type: ignore[type-arg]
    """The id of a job."""

    name = "job id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**18):
            self.fail(f"expected a job id, a number of 1 or more, got {text[:40]!r}", param, ctx)
        return int(text)


class Whole(click.IntRange):
    """A whole number within bounds."""

    name = "whole number"


JOB_ID = JobId()
URL = "http://127.0.0.1:8080"


def connection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which engine, and as whom."""
    for option in (
        click.option("--api-key", envvar="TASKENGINE_API_KEY", metavar="KEY", default="",
                     help="The key of the client.", show_envvar=True),
        click.option("--client", envvar="TASKENGINE_CLIENT", metavar="NAME", default="",
                     help="The client to call as.", show_envvar=True),
        click.option("--url", envvar="TASKENGINE_URL", metavar="URL", default=URL,
                     help="The URL of the engine.", show_envvar=True, show_default=True),
    ):  # fmt: skip
        command = option(command)
    return command


def in_client(work: Callable[[RestClient], Awaitable[T]], access: JsonObject) -> T:
    """Do some work as a client of the engine."""
    import trio

    from taskengine.client import open_client
    from taskengine.configuration import check_environment

    check_environment()

    async def main() -> T:
        async with open_client(**access) as rest:
            return await work(rest)

    return trio.run(main)


def tell_outage(error: Exception) -> None:
    """That a command which waits for a job waits for the engine."""
    click.echo(f"{error}; trying again", err=True)
