"""Commands that work on the database itself, running engine or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskengine.store import Store

if TYPE_CHECKING:
    from taskengine.configuration import Configuration

T = TypeVar("T")

PATIENCE = 5.0  # seconds to wait for the database


def database_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which database: by its URL, or the embedded one of a data folder."""
    url = "PostgreSQL; unset: the embedded one.  [TASKENGINE_DATABASE_URL]"
    folder = "where the embedded one is.  [TASKENGINE_DATA_DIR; default: var]"
    command = click.option("--data-dir", metavar="FOLDER", help=folder)(command)
    return click.option("--database-url", metavar="URL", help=url)(command)


def in_store(work: Callable[[Store], Awaitable[T]], **database: str | None) -> T:
    """Do some work in the store that the options of a command name. An embedded server is shared
    with the engine that runs it, or started for the while."""
    import trio

    from taskengine.main import store_alone

    configuration = configured(**database)

    async def main() -> T:
        async with store_alone(configuration, PATIENCE) as store:
            return await work(store)

    return trio.run(main)


def configured(**database: str | None) -> Configuration:
    """The configuration with the options of a command."""
    from taskengine.cli.failures import Misused
    from taskengine.configuration import read_configuration
    from taskengine.model import BadInput

    try:
        return read_configuration(**database)
    except BadInput as error:
        raise Misused(str(error)) from None


@click.group()
def db() -> None:
    """The database."""


@db.command()
@database_options
def upgrade(**database: str | None) -> None:
    """Bring the schema up to date; safe while engines run."""

    async def nothing(_: Store) -> None:
        """The store is up to date when it opens."""

    in_store(nothing, **database)
    click.echo("The database is up to date.")
