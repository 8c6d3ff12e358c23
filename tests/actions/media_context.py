"""A context for media actions: real tools, local folders for every root, a store of keys."""

from collections.abc import Mapping
from pathlib import Path

import httpx

from taskengine.actions import Context
from taskengine.media.keys import FileKeyStore
from taskengine.model import Attempt, Job, JobState, Task, TaskState
from taskengine.storage import Folder, Storage
from taskengine.storage.local import LocalStorage
from tests.actions.fakes import NOON, Journal

ROOTS = {"output_root": "output", "input_root": "input"}


def media_context(
    tmp_path: Path,
    storages: Mapping[str, Storage] | None = None,
    *,
    task: str = "task",
    number: int = 0,
    attempt: int = 1,
    job_id: int = 7,
) -> tuple[Context, Journal]:
    """An attempt of a task in a scratch folder of its own, and what it tells."""
    local = LocalStorage([tmp_path])
    known = storages or {"local": local}
    journal = Journal()
    scratch = tmp_path / f"scratch-{job_id}-{number}-{attempt}"
    scratch.mkdir(parents=True, exist_ok=True)
    context = Context(
        attempt=_attempt(task, number, attempt, job_id),
        scratch=scratch,
        workspace=Folder(known["local"], str(tmp_path), f"workspace/{job_id}"),
        roots=lambda storage, root: Folder(known[storage], str(tmp_path / ROOTS[root]), ""),
        write=journal.write,
        report=journal.report,
        confirm=journal.confirm,
        keys=FileKeyStore(tmp_path / "keys"),
        http=httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(404))),
    )
    return context, journal


def _attempt(name: str, number: int, attempt: int, job_id: int) -> Attempt:
    job = Job(job_id, "acme", "vodstream", JobState.STARTED, False, 5, 1, False, NOON, NOON, NOON)
    task_id = 10 * job_id + number
    task = Task(task_id, job_id, number, name, "action", "work", TaskState.WORKING, attempt)
    return Attempt(task, job, {}, results={}, facts={}, options={}, started_at=NOON)
