"""What an instance gives to the actions it runs: storages, folders, tools."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import trio

from taskengine.actions.context import Context
from taskengine.actions.scratch import AttemptScratch
from taskengine.media.keys import KeyStore
from taskengine.mediatailor.settings import MediaTailorSettings
from taskengine.model import Attempt, BadInput, Client, Severity
from taskengine.runtime.limits import NO_LIMITS, Limits
from taskengine.runtime.pulse import Pulse
from taskengine.storage import FenceCheck, Folder, NarrowableStorage, Storage, StorageFailed
from taskengine.storage.roots import is_foreign, roots_on

logger = logging.getLogger(__name__)

CHECK_SECONDS = 5.0  # for a storage to answer at the start


@dataclass(frozen=True, slots=True)
class ActionEnvironment:
    """`roots` holds the folder of each root key by storage type; a client's options come first."""

    scratch: Path
    storages: Mapping[str, Storage]
    roots: Mapping[str, Mapping[str, str]]
    workspaces: Folder
    keys: KeyStore
    http: httpx.AsyncClient
    unverified: httpx.AsyncClient  # the same, but it takes any TLS certificate
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)  # that workflow files name
    hidden: frozenset[str] = frozenset()  # of storages and services: nobody names them
    mediatailor: MediaTailorSettings = field(default_factory=MediaTailorSettings)
    vmaf_ffmpeg: str = ""  # an ffmpeg with libvmaf
    pulse: Pulse = field(default_factory=Pulse)  # of the guards of child processes
    limits: Limits = NO_LIMITS  # of child processes

    def context_for(
        self,
        attempt: Attempt,
        open_scratch: Callable[[], Path],
        *,
        write: Callable[[Severity, str], Awaitable[None]],
        report: Callable[[float], Awaitable[None]],
        admit: Callable[[Folder], Awaitable[None]],
        confirm: FenceCheck,
    ) -> Context:
        """The context of an attempt's action, with its scratch folder."""
        workspace = self.workspace(attempt.job.workspace or attempt.job.id)
        own = self._own_storages(attempt, workspace)
        workspace = replace(workspace, storage=own.get(workspace.storage.label, workspace.storage))
        return Context(
            attempt=attempt,
            open_scratch=open_scratch,
            workspace=workspace,
            roots=self.roots_of(attempt, own),
            write=write,
            report=report,
            admit=admit,
            confirm=confirm,
            keys=self.keys,
            http=self.http,
            commands=self.commands,
            mediatailor=self.mediatailor,
            vmaf_ffmpeg=self.vmaf_ffmpeg,
            pulse=self.pulse,
            limits=self.limits,
        )

    def workspace(self, job_id: int) -> Folder:
        """The area of a job, which its tasks on all hosts share, and those of its retries."""
        return self.workspaces.below(str(job_id))

    def _own_storages(self, attempt: Attempt, workspace: Folder) -> Mapping[str, Storage]:
        """The storages of an attempt: a link in a folder of its client, or of its job, leads to
        nobody else's."""
        return {
            label: storage.within([*self._roots_on(label, attempt).values(), workspace.complete])
            if isinstance(storage, NarrowableStorage)
            else storage
            for label, storage in self.storages.items()
        }

    def _roots_on(self, label: str, attempt: Attempt) -> Mapping[str, str]:
        """The folders of the attempt's client by root key. The jobs of a client that was removed
        keep the roots that it had when it sent them."""
        options = attempt.client_scope if attempt.options is None else attempt.options
        return roots_on(label, attempt.job.client, options, self.roots[label])

    def roots_of(
        self, attempt: Attempt, storages: Mapping[str, Storage]
    ) -> Callable[[str, str], Folder]:
        """Where a client's root keys lead, by storage type and key. Raises BadInput."""

        def find(storage: str, key: str) -> Folder:
            label = next((name for name in storages if name.lower() == storage.lower()), None)
            if label is None:
                known = ", ".join(sorted(storages))
                raise BadInput(f"storage: expected one of {known}, got {storage!r}")
            folder = self._roots_on(label, attempt).get(key)
            if folder is None:
                raise BadInput(f"root: no folder is configured for the key {key!r}")
            return Folder(storages[label], folder, "")

        return find

    async def check_storages(self) -> None:
        """Warn of what tasks would fail at, with its reason."""
        for label, storage in self.storages.items():
            try:
                with trio.fail_after(CHECK_SECONDS):
                    await storage.folders(self.roots[label]["output_root"])
            except (StorageFailed, OSError) as error:
                logger.warning("the storage %s cannot be used for now: %s", label, error)
            except trio.TooSlowError:
                logger.warning("the storage %s does not answer", label)

    def is_of_others(self, folder: Folder, others: Sequence[Client]) -> bool:
        """Whether a folder reaches into a root that another client has below its own."""
        label = folder.storage.label
        roots = [
            root
            for one in others
            for root in roots_on(label, one.name, one.options, self.roots[label]).values()
        ]
        return is_foreign(folder.root, folder.complete, roots)

    def scratch_for(self, attempt: Attempt) -> AbstractAsyncContextManager[Callable[[], Path]]:
        """A folder of this attempt alone, always removed."""
        return AttemptScratch.of(self.scratch, attempt.fence)
