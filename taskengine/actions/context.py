"""What an action is given to work with."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from taskengine.media.keys import KeyStore
from taskengine.mediatailor.settings import MediaTailorSettings
from taskengine.model import Attempt, BadInput, Severity
from taskengine.runtime.limits import NO_LIMITS, Limits
from taskengine.runtime.process import OnLine, run_process
from taskengine.runtime.pulse import Pulse
from taskengine.storage import FenceCheck, Folder, clean_folder

NAMESPACE = uuid.UUID("5b6c1f0e-5a0e-4c0b-9f0d-2f6a4a1f7d11")  # of the GUIDs in file names


@dataclass(frozen=True, slots=True)
class Context:
    """One attempt of a task, seen from its action.

    `scratch` is a folder of this attempt, removed afterwards. `workspace` is a folder of the job,
    shared by its tasks on all hosts and removed when the job ends: write below `staging`, return
    the names, and only an attempt whose end was accepted is ever read from.
    """

    attempt: Attempt
    open_scratch: Callable[[], Path]  # makes it when it is first asked for
    workspace: Folder
    roots: Callable[[str, str], Folder]  # storage type, root key → its folder
    write: Callable[[Severity, str], Awaitable[None]]
    report: Callable[[float], Awaitable[None]]
    admit: Callable[[Folder], Awaitable[None]]  # raises BadInput for a folder of somebody else
    confirm: FenceCheck  # folders await it; call it before other things that the world can see
    keys: KeyStore  # content keys of assets
    http: httpx.AsyncClient  # checks the addresses it reaches
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)  # what process.run may run
    mediatailor: MediaTailorSettings = field(default_factory=MediaTailorSettings)
    vmaf_ffmpeg: str = ""  # an ffmpeg with libvmaf
    pulse: Pulse | None = None  # of the guards of child processes
    limits: Limits = NO_LIMITS  # of child processes

    @property
    def scratch(self) -> Path:
        return self.open_scratch()

    @property
    def key(self) -> str:
        """The idempotency key: the same for every attempt, new for a rerun."""
        return f"{self.attempt.job.id}-{self.attempt.task.id}"

    @property
    def epoch(self) -> int:
        """Unix time, whole seconds, of the task's first attempt: EPOCH in names of files."""
        return int(self.attempt.started_at.timestamp())

    @property
    def staging(self) -> Folder:
        """This attempt's own folder in the workspace."""
        return self.workspace.below(f"{self.attempt.task.name}-{self.attempt.task.attempt}")

    def guid(self, label: str) -> str:
        """A GUID for a file name, the same for every attempt, formed as version 4."""
        raw = bytearray(uuid.uuid5(NAMESPACE, f"{self.key}-{label}").bytes)
        raw[6] = raw[6] & 0x0F | 0x40
        return str(uuid.UUID(bytes=bytes(raw)))

    async def debug(self, message: str) -> None:
        await self.write(Severity.DEBUG, message)

    async def info(self, message: str) -> None:
        await self.write(Severity.INFO, message)

    async def warn(self, message: str) -> None:
        await self.write(Severity.WARN, message)

    async def progress(self, fraction: float) -> None:
        """Report how far the attempt has come, 0..1."""
        await self.report(min(1.0, max(0.0, fraction)))

    async def open_folder(self, storage: str, root: str, folder: str) -> Folder:
        """The folder a client means, logged as the contract's log sample has it. Only the current
        attempt can change it."""
        top = self._root(storage, root)
        opened = top.below(clean_folder("folder", folder))
        await self.admit(opened)
        await self.info(f"Root key: {root} Root Folder: {top.root}")
        return opened

    async def open_files(
        self, storage: str, root: str, files: Sequence[str]
    ) -> tuple[Folder, list[str]]:
        """The root of files that a client means, and their paths below it, each once. Logged as
        that of a folder."""
        top = self._root(storage, root)
        paths = list(dict.fromkeys(clean_folder("files", file) for file in files))
        for path in paths:
            await self.admit(top.below(path))
        await self.info(f"Root key: {root} Root Folder: {top.root}")
        return top, paths

    def _root(self, storage: str, root: str) -> Folder:
        try:
            return replace(self.roots(storage, root), fence=self.confirm)
        except KeyError as unknown:
            raise BadInput(f"unknown storage or root: {unknown}") from None

    async def run(self, command: Sequence[str], *, on_line: OnLine | None = None) -> str:
        """Run a child process in the scratch folder and return its standard output.

        It ends with the task: a cancelled attempt takes all its processes with it. Raises
        ProcessFailed with the last lines of its standard error, LimitReached and PulseMissed.
        """
        return await run_process(
            command, cwd=self.scratch, on_line=on_line, pulse=self.pulse, limits=self.limits
        )
