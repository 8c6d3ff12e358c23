"""What an action's test needs: a context that records what it was told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from taskengine.actions import Context
from taskengine.media.keys import FileKeyStore
from taskengine.model import Attempt, Job, JobState, Severity, Task, TaskState
from taskengine.storage import Folder, Storage
from taskengine.storage.local import LocalStorage

ROOTS = {"output_root": "output", "input_root": "input"}
NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


@dataclass
class Journal:
    """What came out of an attempt. `refusal`, when set, is what confirm() raises."""

    lines: list[tuple[Severity, str]] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    confirmations: int = 0
    refusal: Exception | None = None

    @property
    def shown(self) -> list[str]:
        """The messages that a log shows unless asked for all."""
        return [message for severity, message in self.lines if severity > Severity.DEBUG]

    async def write(self, severity: Severity, message: str) -> None:
        self.lines.append((severity, message))

    async def report(self, fraction: float) -> None:
        self.progress.append(fraction)

    async def admit(self, folder: Folder) -> None:
        """All that is below tmp_path is one client's."""

    async def confirm(self) -> None:
        self.confirmations += 1
        if self.refusal:
            raise self.refusal


def fake_context(
    tmp_path: Path,
    storages: Mapping[str, Storage] | None = None,
    *,
    task: str = "task",
    number: int = 0,
    attempt: int = 1,
    job_id: int = 7,
    started_at: datetime = NOON,
    answer: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(404),
    prefix: str | None = None,
    **more: Any,
) -> tuple[Context, Journal]:
    """A context with a scratch folder of its own; the roots are folders of tmp_path. Those of
    storages elsewhere begin with `prefix`, if one is given.

    `answer` is what the other side of its HTTP client says; `more` are fields of the context.
    """
    known = {"local": LocalStorage([tmp_path]), **(storages or {})}
    local = known["local"]
    journal = Journal()
    scratch = tmp_path / f"scratch-{job_id}-{number}-{attempt}"
    scratch.mkdir(parents=True, exist_ok=True)

    given = {
        "workspace": Folder(local, str(tmp_path), f"workspace/{job_id}"),
        "keys": FileKeyStore(tmp_path / "keys"),
    }
    context = Context(
        attempt=_attempt(task, number, attempt, job_id, started_at),
        open_scratch=lambda: scratch,
        roots=_roots(tmp_path, known, prefix),
        write=journal.write,
        report=journal.report,
        admit=journal.admit,
        confirm=journal.confirm,
        http=httpx.AsyncClient(transport=httpx.MockTransport(answer)),
        **{**given, **more},
    )
    return context, journal


def _roots(
    tmp_path: Path, storages: Mapping[str, Storage], prefix: str | None
) -> Callable[[str, str], Folder]:
    def roots(storage: str, root: str) -> Folder:
        is_here = prefix is None or isinstance(storages[storage], LocalStorage)
        top = str(tmp_path / ROOTS[root]) if is_here else f"{prefix}{ROOTS[root]}"
        return Folder(storages[storage], top, "")

    return roots


def _attempt(name: str, number: int, attempt: int, job_id: int, at: datetime) -> Attempt:
    state, working = JobState.STARTED, TaskState.WORKING
    job = Job(job_id, "acme", "vodstream", state, False, 5, 1, False, at, at, at)
    task_id = 10 * job_id + number
    task = Task(task_id, job_id, number, name, "action", "work", working, attempt)
    return Attempt(task, job, documents=None, client_scope={}, options={}, started_at=at)
