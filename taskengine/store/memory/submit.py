"""Submissions in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from taskengine.jobs.new_job import new_job
from taskengine.model import BadInput, LogLine, Submission
from taskengine.store.memory.cascade import break_job
from taskengine.store.memory.edges import tie
from taskengine.store.memory.lines import add_line
from taskengine.store.memory.outbox import put_lanes
from taskengine.store.memory.rows import StoredJob, opened
from taskengine.store.memory.tables import Tables


def submit(tables: Tables, batch: Sequence[Submission], now: datetime) -> Sequence[int]:
    """See Store.submit."""
    for one in batch:
        _check_data(one)
    return [_known(tables, one) or _put_new(tables, one, now) for one in batch]


def _known(tables: Tables, one: Submission) -> int | None:
    """The id of what was recorded before, as this request or with this key."""
    key = (one.client, one.idempotency_key or "")
    return tables.requests.get(one.request_id) or tables.keys.get(key)


def _put_new(tables: Tables, one: Submission, now: datetime) -> int:
    job = replace(new_job(one, now), id=tables.next_id("job"))
    row = tables.jobs[job.id] = StoredJob(job, one, one.definition)
    tables.requests[one.request_id] = job.id
    if one.idempotency_key:
        tables.keys[one.client, one.idempotency_key] = job.id
    if one.definition is not None:
        tables.definitions[one.definition.digest] = one.definition
    for severity, progname, message in one.lines:
        add_line(tables, LogLine(job.id, progname, message, now, severity=severity))
    put_lanes(tables, job.id, one)
    if one.depends_on and one.definition is not None:
        lost = tie(tables, row, one.depends_on, now)
        if lost is not None:
            break_job(tables, row, lost, now)
    return job.id


def _check_data(one: Submission) -> None:
    """Raises BadInput for what a database refuses, so that both stores answer alike."""
    lines = [text for _, *texts in one.lines for text in texts]
    names = [one.client, one.workflow, one.content_id, one.semaphore_url, one.idempotency_key]
    texts = "".join(text for text in [*names, *one.urls, *lines] if text)
    documents = [opened(one.submitted), opened(one.parameters), one.client_scope]
    try:
        (texts + json.dumps(documents, ensure_ascii=False, allow_nan=False)).encode()
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the database refuses the data: {error}") from error
    if "\0" in texts:
        raise BadInput("the database refuses the data: a character NUL")
    if not (-(2**15) <= one.priority < 2**15 and -(2**31) <= one.position < 2**31):
        raise BadInput("the database refuses the data: a number out of range")
