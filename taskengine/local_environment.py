"""The environment of actions on this machine: storages as they are configured, folders, keys."""

from __future__ import annotations

from pathlib import Path

import httpx

from taskengine.actions.environment import ActionEnvironment
from taskengine.configuration import Configuration
from taskengine.media.keys import FileKeyStore, StoredKeyStore
from taskengine.runtime.pulse import Pulse
from taskengine.storage import Folder
from taskengine.storage.cache import FetchCache
from taskengine.storage.settings import secret_values

GB = 1_000_000_000  # bytes


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
    cache = FetchCache(data / "cache", configuration.storage.cache * GB)
    storages = {label: table.open(data, cache) for label, table in tables.items()}
    workspaces = Folder(storages[shared.label], shared.workspace(data), "")
    keys = workspaces.below("keys")  # no job's, so that nobody cleans it
    return ActionEnvironment(
        scratch=scratch,
        storages=storages,
        roots={label: table.roots(data) for label, table in tables.items()},
        workspaces=workspaces,
        keys=FileKeyStore(data / "keys") if shared.label == "local" else StoredKeyStore(keys),
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
        vmaf_ffmpeg=configuration.vmaf_ffmpeg,
        pulse=pulse,
        limits=configuration.limits,
    )
