"""Fair shares: whose jobs have their turns next, and what that does to the turns after them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from taskengine.admission import Room
from taskengine.fair_shares import Shares, weights_of
from taskengine.policy import SYSTEM
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, Row

Strides = tuple[str, int]  # by client, as JSON, and that of all others


def weights_in(rows: Iterable[Row]) -> dict[str, int]:
    """The weights among stored settings."""
    return weights_of({row["scope"]: row["value"] for row in rows if row["name"] == "weight"})


async def first_in_turn(
    connection: Connection,
    room: Room,
    own: Mapping[str, Room],
    limit: int,
    weights: Mapping[str, int],
) -> list[Row]:
    """Whose turns come next, among the jobs for which there is room."""
    given = (json.dumps(room), json.dumps(own), limit, *strides(Shares(weights)))
    return list(await connection.fetch(SQL["first_in_turn"], *given))


def strides(shares: Shares) -> Strides:
    """As statements take them."""
    own = {client: shares.stride(client) for client in shares.weights if client != SYSTEM}
    return json.dumps(own), shares.stride(SYSTEM)


async def shares_of(
    connection: Connection, scopes: Collection[str], weights: Mapping[str, int]
) -> Shares:
    """What the clients among the scopes have been served. It stays so while they are locked."""
    rows = await connection.fetch(SQL["virtual_times"], list(scopes))
    return Shares(weights, {row["name"]: row["virtual_time"] for row in rows})


async def serve(connection: Connection, shares: Shares, clients: Collection[str]) -> None:
    """Jobs of these clients were admitted, in this order."""
    for client in clients:
        shares.serve(client)
    served = sorted({SYSTEM, *clients})
    times = [shares.times[name] for name in served]
    await connection.execute(SQL["put_virtual_times"], served, times)
