"""Clients, made with the row that admission locks for them, and their settings."""

from __future__ import annotations

from taskengine.model import Client
from taskengine.policy import check_number_of_settings
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, dumped


async def put(connection: Connection, client: Client, bootstrap: bool, new: bool) -> bool:
    """See Store.put_client."""
    if bootstrap or new:
        await connection.execute(SQL["lock_clients"])
    if bootstrap and await connection.fetchval(SQL["any_client"]):
        return False
    if new and await connection.fetchval(SQL["client"], client.name):
        return False
    row = (client.name, client.key_hash, client.admin, dumped(client.options))
    former = (client.former_key_hash, client.former_until)
    await connection.execute(SQL["put_client"], *row, *former)
    await connection.execute(SQL["put_scope"], client.name)
    return True


async def put_setting(connection: Connection, scope: str, name: str, value: str) -> None:
    """See Store.put_setting. No admission is under way by limits that were answered as replaced,
    and no other setting of the scope is made meanwhile."""
    await connection.execute(SQL["lock_scope"], scope)
    stored = await connection.fetch(SQL["setting_names"], scope)
    check_number_of_settings(name, [row["name"] for row in stored])
    await connection.execute(SQL["put_setting"], scope, name, value)


async def remove(connection: Connection, name: str) -> bool:
    """See Store.remove_client."""
    await connection.execute(SQL["lock_scope"], name)
    found = await connection.fetch(SQL["remove_client"], name)
    await forget_removed(connection)
    return bool(found)


async def forget_removed(connection: Connection) -> None:
    """The settings and scopes of clients that are gone, as soon as no job of theirs is left. No
    client is made meanwhile."""
    await connection.execute(SQL["lock_clients"])
    gone = [row["name"] for row in await connection.fetch(SQL["removed_clients"])]
    if gone:
        await connection.execute(SQL["forget_settings"], gone)
        await connection.execute(SQL["forget_scopes"], gone)
