"""Submissions: one insert for all that came together."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskengine.jobs.new_job import new_job
from taskengine.model import Definition, Job, JobState, Submission
from taskengine.store.completion import host_of
from taskengine.store.postgres.cascade import Child, break_jobs
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.edges import tie
from taskengine.store.postgres.lines import put_lines
from taskengine.store.postgres.outbox import OutboxEvent, put_calls
from taskengine.store.postgres.queries import NEW_JOB
from taskengine.store.postgres.rows import SQL, NewJob, columns, dumped, job_row, lines_of


@dataclass(frozen=True, slots=True)
class PreparedSubmission:
    """A submission with what is written of it, as far as it is known before its transaction."""

    one: Submission
    documents: tuple[str, str, str]
    lanes: Sequence[tuple[int, str, str, str]]  # ordinal, URL, host, events


def prepare(batch: Sequence[Submission]) -> list[PreparedSubmission]:
    """Raises BadInput for what JSON cannot say."""
    return [
        PreparedSubmission(
            one,
            (dumped(one.submitted), dumped(one.parameters), dumped(one.client_scope)),
            _lanes(one),
        )
        for one in batch
    ]


def _lanes(one: Submission) -> list[tuple[int, str, str, str]]:
    events = " ".join(one.events)
    urls = enumerate(dict.fromkeys(one.urls))
    return [(ordinal, url, host_of(url), events) for ordinal, url in urls]


async def submit(
    connection: Connection, batch: Sequence[PreparedSubmission], now: datetime, writer: int
) -> list[int]:
    """See Store.submit. What was recorded before, its answer lost, keeps its id."""
    await put_definitions(connection, [one.one for one in batch])
    new: dict[uuid.UUID, PreparedSubmission] = {}
    for one in batch:
        new.setdefault(one.one.request_id, one)  # the first of repeated ones
    ids = await _put_new(connection, new, now, writer)
    if len(ids) < len(new):
        ids |= await _known(connection, [one.one for key, one in new.items() if key not in ids])
    if lost := [one for key, one in new.items() if key not in ids]:
        # The job that had the key was cleaned up between the two statements.
        again = await submit(connection, lost, now, writer)
        ids |= {one.one.request_id: job_id for one, job_id in zip(lost, again, strict=True)}
    return [ids[one.one.request_id] for one in batch]


async def _put_new(
    connection: Connection, new: Mapping[uuid.UUID, PreparedSubmission], now: datetime, writer: int
) -> dict[uuid.UUID, int]:
    """Insert those that nobody knows, with all that belongs to them; their ids."""
    made = {key: new_job(one.one, now) for key, one in new.items()}
    ids = await put_jobs(connection, [_row(one, made[key]) for key, one in new.items()])
    await _put_rest(connection, [(ids[key], new[key]) for key in ids], now)
    jobs = {ids[key]: new[key].one for key in ids}
    states = {ids[key]: made[key].state for key in ids}
    calls: list[OutboxEvent] = []
    tally = Tally()
    states |= await _tie(connection, jobs, now, calls, tally)
    await put_calls(connection, calls)
    for job_id, one in jobs.items():
        state = states[job_id]
        tally.jobs[one.client, int(state), state is JobState.BROKEN] += 1
    await tally.write(connection, writer)
    return ids


async def _known(connection: Connection, repeated: Sequence[Submission]) -> dict[uuid.UUID, int]:
    """The ids of what was recorded before, or in this batch, as this request or with this key."""
    keys = {(one.client, one.idempotency_key) for one in repeated if one.idempotency_key}
    by_key = await connection.fetch(SQL["jobs_by_key"], *columns(sorted(keys), 2))
    jobs = {(row["client"], row["idempotency_key"]): row["id"] for row in by_key}
    ids = {
        one.request_id: jobs[one.client, one.idempotency_key]
        for one in repeated
        if (one.client, one.idempotency_key) in jobs
    }
    rows = await connection.fetch(SQL["submitted_before"], [one.request_id for one in repeated])
    return ids | {row["request_id"]: row["id"] for row in rows}


async def _tie(
    connection: Connection,
    jobs: Mapping[int, Submission],
    now: datetime,
    calls: list[OutboxEvent],
    tally: Tally,
) -> dict[int, JobState]:
    """Tie jobs to those they depend on; gives the states of those that do."""
    wanted = {
        job_id: one.depends_on for job_id, one in jobs.items() if one.depends_on and one.definition
    }
    if not wanted:
        return {}
    parents = await tie(connection, wanted)
    rows = await connection.fetch(SQL["place_jobs"], sorted(wanted), now)
    states = {row["id"]: JobState(row["state"]) for row in rows}
    broken = {child: _child(child, jobs[child]) for child in parents}
    lines = await break_jobs(connection, broken, parents, now, calls, tally)
    await put_lines(connection, lines)
    return states | dict.fromkeys(parents, JobState.BROKEN)


def _child(job_id: int, one: Submission) -> Child:
    lanes = len(dict.fromkeys(one.urls))
    return Child(job_id, one.client, one.workflow, one.content_id, lanes)


def _row(one: PreparedSubmission, job: Job) -> NewJob:
    key, digest = one.one.idempotency_key, one.one.body_digest
    return job_row(job, one.one.request_id, len(one.lanes), key, digest)


async def put_jobs(connection: Connection, rows: Sequence[NewJob]) -> dict[uuid.UUID, int]:
    """Insert jobs; the ids of those whose request and key nobody has used, by request."""
    inserted = await connection.fetch(SQL["put_jobs"], *columns(rows, len(NEW_JOB)))
    return {row["request_id"]: row["id"] for row in inserted}


async def put_definitions(connection: Connection, batch: Sequence[Submission]) -> None:
    wanted = {one.definition.digest: one.definition for one in batch if one.definition}
    known = await connection.fetch(SQL["known_definitions"], list(wanted))
    missing = [wanted[digest] for digest in sorted(set(wanted) - {row[0] for row in known})]
    if missing:
        rows = [_definition(one) for one in missing]
        await connection.execute(SQL["put_definitions"], *columns(rows, 7))


def _definition(one: Definition) -> tuple[Any, ...]:
    content = one.content
    callback = dumped(content.get("callback", {}))
    return (
        one.digest,
        one.name,
        dumped(content),
        dumped(_plan(one)),
        len(one.plan),
        content.get("client"),
        callback,
    )


def _plan(definition: Definition) -> list[dict[str, Any]]:
    return [
        {"name": task.name, "action": task.action, "queue": task.queue, "needs": list(task.needs)}
        for task in definition.plan
    ]


async def _put_rest(
    connection: Connection, jobs: Sequence[tuple[int, PreparedSubmission]], now: datetime
) -> None:
    lines = [line for job_id, one in jobs for line in lines_of(job_id, one.one.lines, now)]
    await put_lines(connection, lines)
    await put_data(connection, jobs)


async def put_data(connection: Connection, jobs: Sequence[tuple[int, PreparedSubmission]]) -> None:
    """What jobs have besides their row: parameters, and lanes for their URLs."""
    data = [(job_id, *one.documents) for job_id, one in jobs]
    lanes = [(job_id, *lane) for job_id, one in jobs for lane in one.lanes]
    await connection.execute(SQL["put_job_data"], *columns(data, 4))
    if lanes:
        await connection.execute(SQL["put_lanes"], *columns(lanes, 5))
