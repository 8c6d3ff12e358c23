"""The environment of actions on this machine: its storages, folders and keys."""

from __future__ import annotations

from pathlib import Path

import httpx

from taskengine.actions.environment import ActionEnvironment
from taskengine.configuration import Configuration
from taskengine.media.keys import FileKeyStore
from taskengine.runtime.folders import make_private
from taskengine.runtime.pulse import Pulse
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage


def local_environment(
    configuration: Configuration,
    scratch: Path,
    http: httpx.AsyncClient,
    unverified: httpx.AsyncClient,
    pulse: Pulse,
) -> ActionEnvironment:
    """Storages, their roots, workspaces and keys, on this machine's file system."""
    data = configuration.data_dir.absolute()
    roots = {key: str(folder) for key, folder in configuration.local_roots.items()}
    workspaces = data / "workspace"
    for folder in (*map(Path, roots.values()), workspaces):
        make_private(folder)
    local = LocalStorage([*roots.values(), workspaces])
    return ActionEnvironment(
        scratch=scratch,
        storages={"local": local},
        roots={"local": roots},
        workspaces=Folder(local, str(workspaces), ""),
        keys=FileKeyStore(data / "keys"),
        http=http,
        unverified=unverified,
        commands=configuration.commands,
        secrets=configuration.secrets,
        pulse=pulse,
        limits=configuration.limits,
    )
