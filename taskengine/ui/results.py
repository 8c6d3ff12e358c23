"""What came of a job: its files as its callback tells them, and which of them play.

Files are shown to whoever may see the job, and only those that the job's own callback names, below
the roots of the job's client: a page opens no other door to a storage than the job had.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import quote

import trio

from taskengine.media.naming import parse_name
from taskengine.model import BadInput, Documents, Job, JobDetails, Json, JsonObject, NotFound
from taskengine.runtime.threads import in_thread
from taskengine.store import Wanted
from taskengine.ui.file_area import FileArea, area_of
from taskengine.ui.visit import Visit
from taskengine.workflows.scope import job_scope, scope
from taskengine.workflows.templates import TemplateError, names_used, results_used
from taskengine.workflows.workflow import Workflow, callback_extras

SHOWN_APART = ("duration", "gaps", "markers")  # of the metadata
SHOWN = 500  # files of a job on a page
KINDS = {
    "playlist": (".m3u8", ".mpd", ".ism"),
    "video": (".mp4", ".webm"),
    "still": (".jpg", ".jpeg", ".png", ".webp", ".gif"),
    "text": (".vtt", ".json", ".ttml", ".srt"),
}


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file that a job made. `size` None: this host has it not, or may not show it."""

    name: str  # below the folder of the result
    path: str  # as the callback names it
    size: int | None = None

    @property
    def kind(self) -> str:
        end = PurePosixPath(self.name).suffix.lower()
        return next((kind for kind, ends in KINDS.items() if end in ends), "other")

    @property
    def url(self) -> str:
        """Below the job's `files/`."""
        return quote(self.name)


@dataclass(frozen=True, slots=True)
class JobResult:
    """`playlist` is the active manifest, `video` a film in one file."""

    folder: str
    files: Sequence[ResultFile]
    number: int  # of all files
    message: str = ""
    metadata: JsonObject = field(default_factory=dict)
    playlist: ResultFile | None = None
    locked: bool = False  # the playlist needs a key
    video: ResultFile | None = None

    def of_kind(self, kind: str) -> list[ResultFile]:
        return [one for one in self.files if one.kind == kind and one.size is not None]

    @property
    def further(self) -> JsonObject:
        """What else the callback says of it, such as its quality."""
        return {key: one for key, one in self.metadata.items() if key not in SHOWN_APART and one}

    @property
    def gaps(self) -> Sequence[Json]:
        found = self.metadata.get("gaps")
        return found if isinstance(found, list) else []


async def result_of(visit: Visit, details: JobDetails) -> JobResult | None:
    """What a job has made; None: nothing, or nobody can tell."""
    told = await _told(visit, details)
    paths = [path for path in told.get("files") or () if isinstance(path, str)]
    if not paths:
        return None
    folder = _folder(paths)
    area = await area_of(visit, details.job.client)
    files = [ResultFile(_below(folder, path), path) for path in paths[:SHOWN]]
    sizes = await trio.to_thread.run_sync(area.sizes, [one.path for one in files])
    seen = [ResultFile(one.name, one.path, size) for one, size in zip(files, sizes, strict=True)]
    playlist, locked = _playlist(details.job.content_id or "", seen)
    message, metadata = told.get("message"), told.get("metadata")
    return JobResult(
        folder=folder,
        files=seen,
        number=len(paths),
        message=message if isinstance(message, str) else "",
        metadata=metadata if isinstance(metadata, dict) else {},
        playlist=playlist,
        locked=locked,
        video=_video(details.job.content_id or "", seen),
    )


async def path_of(visit: Visit, details: JobDetails, name: str) -> tuple[FileArea, str]:
    """A file of a job by its name below the result's folder. Raises NotFound."""
    told = await _told(visit, details)
    paths = [path for path in told.get("files") or () if isinstance(path, str)]
    folder = _folder(paths)
    for path in paths:
        if _below(folder, path) == name:
            return await area_of(visit, details.job.client), path
    raise NotFound(f"job {details.job.id} has made no file {name[:200]!r}")


async def _told(visit: Visit, details: JobDetails) -> JsonObject:
    """What the workflow adds to the job's callback."""
    workflow, store = await visit.services.workflow(details.job), visit.services.store
    if workflow is None or not workflow.callback:
        return {}
    try:
        wanted = Wanted(names_used(workflow.callback), (), results_used(workflow.callback))
        documents = await store.documents(details.job.id, wanted)
    except (BadInput, TemplateError):  # too large, or of another version
        return {}
    facts = await store.document(details.job.id, "facts")
    return await in_thread(
        partial(_extras, details.job, workflow, documents, json.loads(facts or "{}")),
        documents.size,
    )


def _extras(
    job: Job, workflow: Workflow, documents: Documents, client_scope: JsonObject
) -> JsonObject:
    parameters, results = json.loads(documents.parameters), json.loads(documents.results or "{}")
    seen = workflow.tasks_seen(results_used(workflow.callback))
    names = scope(parameters, results, job_scope(job), client_scope, seen)
    return callback_extras(workflow.callback, names)[0]


def _folder(paths: Sequence[str]) -> str:
    folders = {str(PurePosixPath(path).parent) for path in paths}
    return os.path.commonpath(folders) if len(folders) > 1 else next(iter(folders), "")


def _below(folder: str, path: str) -> str:
    return path.removeprefix(folder).lstrip("/")


def _playlist(content_id: str, files: Sequence[ResultFile]) -> tuple[ResultFile | None, bool]:
    """The HLS that is active, and whether it needs a key; else any playlist that lists others."""
    for one in files:
        said = parse_name(content_id, one.name) if one.name.endswith(".m3u8") else None
        if said is not None and said.active and one.size is not None:
            return one, said.tag != "nodrm"
    return None, False


def _video(content_id: str, files: Sequence[ResultFile]) -> ResultFile | None:
    """The film that bears the content's name; else the largest one, which has most tracks."""
    known = [one for one in files if one.kind == "video" and one.size is not None]
    named = [one for one in known if PurePosixPath(one.name).stem == content_id]
    return max(named or known, key=lambda one: one.size or 0, default=None)
