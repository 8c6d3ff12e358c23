"""Clients, made with the row that admission locks for them, and their settings."""

from __future__ import annotations

from taskengine.model import Client
from taskengine.store.connections import Connection
from taskengine.store.transactions.rows import SQL, dumped


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
    """See Store.put_setting. No admission is under way by limits that were answered as replaced."""
    await connection.execute(SQL["lock_scope"], scope)
    await connection.execute(SQL["put_setting"], scope, name, value)
