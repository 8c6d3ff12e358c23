"""Clients: what each may do and how much, without their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quart import Response

from taskengine.callbacks.options import shown_options
from taskengine.model import Client, Json
from taskengine.policy import ADMINS_ONLY, BOUNDS, Band, settings_of
from taskengine.storage.roots import roots_on
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit

LIMITS = sorted(BOUNDS | ADMINS_ONLY)
KEY_SHOWN = 8  # characters of a key's fingerprint


@dataclass(frozen=True, slots=True)
class ClientLine:
    """A client: its limits, what it holds of them, where its files are."""

    client: Client
    limits: dict[str, Json]
    held: int
    roots: Mapping[str, str]
    options: Json

    @property
    def role(self) -> str:
        kind = "admin" if self.client.admin else "client"
        return f"{kind}, read only" if self.client.read_only else kind

    @property
    def key(self) -> str:
        """Which key it has, without anything of the key: the start of its stored hash's salt."""
        return self.client.key_hash.split("$")[1][:KEY_SHOWN]


async def clients(visit: Visit) -> Response:
    """All, for an admin; else the one that is signed in."""
    store = visit.services.store
    held = await store.slots_held()
    seen = await store.clients() if visit.admin else [visit.client]
    settings = await store.settings_by_client([client.name for client in seen])
    common = visit.services.configuration.local_roots
    lines = []
    for client in seen:
        stored = settings.get(client.name, {})
        own = settings_of(stored, client=True)
        lines.append(
            ClientLine(
                client,
                {name: getattr(own, name) for name in LIMITS if name in stored},
                sum(held.get((client.name, band), 0) for band in Band),
                roots_on("local", client.name, client.options, common),
                {k: v for k, v in shown_options(client.options).items() if k != "roots"},
            )
        )
    return visit.page("clients.html", lines=lines)


ROUTES = [PageRoute("GET", "/clients", clients)]
