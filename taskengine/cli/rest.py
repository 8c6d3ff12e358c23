"""Commands that go through the REST API, as any client does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskengine.model import JsonObject

if TYPE_CHECKING:
    from taskengine.client import RestClient

T = TypeVar("T")

URL = "http://127.0.0.1:8080"


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
