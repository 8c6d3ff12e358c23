"""The first client of an installation."""

from __future__ import annotations

import logging

from taskengine.api_keys import hash_key, opens
from taskengine.configuration import Configuration
from taskengine.model import Client
from taskengine.store.postgres import PostgresStore

logger = logging.getLogger(__name__)


async def bootstrap(store: PostgresStore, configuration: Configuration) -> None:
    """Make the first client, as admin, where there is none yet. Whoever then calls with a key that
    opens nothing, or has none, finds the reason in the log."""
    if configuration.bootstrap_client is None:
        if not await store.patient.clients():
            logger.warning("there is no client yet: `taskengine client add NAME` makes one")
        return
    name, _, key = configuration.bootstrap_client.partition(":")
    new = Client(name, hash_key(key), admin=True)
    if await store.patient.put_client(new, bootstrap=True):
        return
    known = await store.patient.client(name)
    if not opens(key, known, await store.patient.time()):
        told = "has another key" if known else "is not one of them"
        logger.warning(
            "there are clients already, and %s %s: bootstrap_client is not used", name, told
        )
