"""A job by its id, in memory: its row, its documents, its tasks."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from taskengine.model import JobDetails, JsonObject, JsonText, Task
from taskengine.store.memory.rows import COMPLETES, opened
from taskengine.store.memory.tables import Tables
from taskengine.store.reads import DocumentName


def load_details(tables: Tables, job_id: int) -> JobDetails | None:
    """See StoreReads.job."""
    row = tables.jobs.get(job_id)
    if row is None:
        return None
    one = row.submission
    edges = [edge for edge in tables.edges if edge.child == job_id and edge.kind == COMPLETES]
    return JobDetails(
        row.job,
        row.submitted,
        opened(one.parameters),
        one.client_scope,
        [task.task for task in tables.tasks_of(job_id)],
        depends_on=sorted(edge.parent for edge in edges),
        rerun_of=row.rerun_of,
        rerun_as=row.rerun_as,
        body_digest=one.body_digest if row.rerun_of is None else None,
    )


def load_outline(tables: Tables, job_id: int) -> JobDetails | None:
    """See StoreReads.outline."""
    details = load_details(tables, job_id)
    if details is None:
        return None
    return replace(details, submitted={}, parameters={}, client_scope={}, tasks=[])


def tasks(tables: Tables, job_id: int) -> Sequence[Task]:
    """See StoreReads.tasks."""
    return [replace(row.task, result=None) for row in tables.tasks_of(job_id)]


def document(tables: Tables, job_id: int, name: DocumentName) -> JsonText | None:
    """See StoreReads.document."""
    row = tables.jobs.get(job_id)
    if row is None:
        return None
    one = row.submission
    known = {"submitted": one.submitted, "parameters": one.parameters, "facts": one.client_scope}
    found = opened(known[name])
    return JsonText(json.dumps(found, ensure_ascii=False, separators=(",", ":")))


def definition(tables: Tables, digest: str) -> JsonObject | None:
    """See StoreReads.definition."""
    known = tables.definitions.get(digest)
    return known.content if known else None


def workspaces_in_use(
    tables: Tables, job_ids: Collection[int], ended_after: datetime
) -> frozenset[int]:
    """See StoreReads.workspaces_in_use."""
    used = {
        row.job.workspace or row.job.id
        for row in tables.jobs.values()
        if not row.over or (row.may_be_retried and row.job.updated_at >= ended_after)
    }
    return frozenset(used.intersection(job_ids))
