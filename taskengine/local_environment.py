"""The environment of actions on this machine: storages as they are configured, folders, keys."""

from __future__ import annotations

from pathlib import Path

import httpx

from taskengine.actions.environment import ActionEnvironment
from taskengine.configuration import Configuration
from taskengine.media.keys import FileKeyStore
from taskengine.runtime.pulse import Pulse
from taskengine.storage import Folder
from taskengine.storage.settings import secret_values


def local_environment(
    configuration: Configuration,
    scratch: Path,
    http: httpx.AsyncClient,
    unverified: httpx.AsyncClient,
    pulse: Pulse,
) -> ActionEnvironment:
    """Storages, their roots, workspaces and keys. Raises Misconfigured."""
    data, tables = configuration.data_dir.absolute(), configuration.storages
    shared = configuration.workspace_storage
    storages = {label: table.open(data) for label, table in tables.items()}
    return ActionEnvironment(
        scratch=scratch,
        storages=storages,
        roots={label: table.roots(data) for label, table in tables.items()},
        workspaces=Folder(storages[shared.label], shared.workspace(data), ""),
        keys=FileKeyStore(data / "keys"),
        http=http,
        unverified=unverified,
        commands=configuration.commands,
        secrets=configuration.secrets,
        hidden=frozenset(
            one
            for table in (*tables.values(), configuration.mediatailor)
            for one in secret_values(table)
        ),
        mediatailor=configuration.mediatailor,
        pulse=pulse,
        limits=configuration.limits,
    )
