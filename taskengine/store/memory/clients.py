"""Clients in memory, and their settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from taskengine.model import Client
from taskengine.policy import SYSTEM, check_number_of_settings
from taskengine.store.memory.schedules import drop_schedules
from taskengine.store.memory.tables import Tables


def client(tables: Tables, name: str) -> Client | None:
    """See Store.client."""
    return tables.clients.get(name)


def clients(tables: Tables) -> Sequence[Client]:
    """See Store.clients."""
    return [tables.clients[name] for name in sorted(tables.clients)]


def clients_named(tables: Tables, names: Collection[str]) -> Sequence[Client]:
    """See Store.clients_named."""
    return [tables.clients[name] for name in names if name in tables.clients]


def put(tables: Tables, client: Client, *, bootstrap: bool = False, new: bool = False) -> bool:
    """See Store.put_client."""
    if (bootstrap and tables.clients) or (new and client.name in tables.clients):
        return False
    tables.clients[client.name] = client
    return True


def remove(tables: Tables, name: str) -> bool:
    """See Store.remove_client."""
    drop_schedules(tables, name)
    found = tables.clients.pop(name, None)
    forget_removed(tables)
    return found is not None


def forget_removed(tables: Tables) -> None:
    """The settings of clients that are gone, as soon as no job of theirs is left."""
    known = {SYSTEM, *tables.clients, *(row.job.client for row in tables.jobs.values())}
    tables.settings = {name: own for name, own in tables.settings.items() if name in known}
    times = tables.virtual_times
    tables.virtual_times = {name: times[name] for name in times if name in known}


def settings(tables: Tables, client: str) -> Mapping[str, str]:
    """See Store.settings."""
    return dict(tables.settings.get(client, {}))


def settings_by_client(tables: Tables, clients: Collection[str]) -> Mapping[str, Mapping[str, str]]:
    """See Store.settings_by_client."""
    return {name: dict(own) for name in clients if (own := tables.settings.get(name))}


def put_setting(tables: Tables, client: str, name: str, value: str) -> None:
    """See Store.put_setting."""
    stored = tables.settings.setdefault(client, {})
    check_number_of_settings(name, stored)
    stored[name] = value
