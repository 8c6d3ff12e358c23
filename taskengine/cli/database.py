"""Commands that work on the database itself, running engine or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

if TYPE_CHECKING:
    from taskengine.configuration import Configuration
    from taskengine.store.postgres import PostgresStore

T = TypeVar("T")
Work: TypeAlias = "Callable[[PostgresStore], Awaitable[T]]"

START_DEADLINE = 5.0  # seconds to wait for the database


def database_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which database: by its URL, or the embedded one of a data folder."""
    url = "PostgreSQL; unset: the embedded one.  [TASKENGINE_DATABASE_URL]"
    folder = "where the embedded one is.  [TASKENGINE_DATA_DIR; default: var]"
    command = click.option("--data-dir", metavar="FOLDER", help=folder)(command)
    return click.option("--database-url", metavar="URL", help=url)(command)


def in_store(work: Work[T], **database: str | None) -> T:
    """Do some work in the store that the options of a command name. An embedded server is shared
    with the engine that runs it, or started for the while. Raises Misconfigured where there is no
    database: in the wrong folder nothing is made, and nothing is found."""
    from taskengine.administration import store_as_it_is

    return _run(store_as_it_is, work, read(database))


def in_new_store(work: Work[T], **database: str | None) -> T:
    """The same; a database that is not there yet is made, and told of."""
    from taskengine.administration import store_alone
    from taskengine.embedded.postgres import has_database

    configuration = read(database)
    data = configuration.data_dir.absolute()
    if configuration.embedded_database and not has_database(data):
        click.echo(f"there was no database in {data}: one is made", err=True)
    return _run(store_alone, work, configuration)


def read(database: Mapping[str, str | None]) -> Configuration:
    from taskengine.configuration import read_configuration

    return read_configuration(**database)


def _run(
    opened: Callable[[Configuration, float], AbstractAsyncContextManager[PostgresStore]],
    work: Work[T],
    configuration: Configuration,
) -> T:
    import trio

    async def main() -> T:
        async with opened(configuration, START_DEADLINE) as store:
            return await work(store)

    return trio.run(main)


@click.group()
def db() -> None:
    """Manage the database."""


@db.command()
@database_options
def upgrade(**database: str | None) -> None:
    """Create the schema, or upgrade it; safe while engines run."""
    import trio

    from taskengine.administration import upgrade_database

    applied = trio.run(upgrade_database, read(database), START_DEADLINE)
    click.echo(_told(applied))


def _told(applied: list[str]) -> str:
    from taskengine.store.postgres.queries import migrations

    latest = len(migrations())
    before = latest - len(applied)
    if not applied:
        return f"The database is up to date: version {latest}."
    if before == 0:
        return f"The schema is made: version {latest}."
    return f"The database is upgraded from version {before} to {latest}."
