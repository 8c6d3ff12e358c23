"""The limits: what the engine does at the least, without actors, HTTP server and other work.

The same rows are written with the same statements, from asyncio; submissions are read and callbacks
sent by the engine's own functions. What the engine does besides is the distance between the two.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

import asyncpg
import httpx
import trio

from taskengine.actors.callback_requests import REQUEST_DEADLINE, parsed_url
from taskengine.api.reading import BodyReading, Item
from taskengine.callbacks.options import CallbackOptions
from taskengine.jobs.submission import Reader
from taskengine.model import (
    Began,
    Client,
    Ended,
    Fence,
    Outcome,
    Record,
    Severity,
    Submission,
    Written,
)
from taskengine.outbound import finish, open_outbound
from taskengine.policy import SYSTEM
from taskengine.store import Ahead
from taskengine.store.completion import definitions_line
from taskengine.store.postgres import admit, claim, clients, record, submit
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.driver_loop import open_thread_loop
from taskengine.store.postgres.rows import SQL
from taskengine.workflows.library import Library
from taskengine.workflows.workflow import Workflow

BATCH = 100  # jobs in a transaction
SENDERS = 2  # callbacks under way to a host
FLOW = Workflow.from_content(
    {"workflow": "noop", "tasks": [{"name": "noop", "action": "core.noop"}]}
)
SIGNING = CallbackOptions(secret="whsec_YSBzZWNyZXQgZm9yIGEgYmVuY2g=")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one round."""

    drained: float  # jobs a second, in batches of 100
    started: float  # seconds from a submission to its claim, each alone; the median
    read_ms: float  # CPU of a submission
    called: float  # callbacks a second, two at a time
    called_ms: float  # CPU of one


async def measured(url: str, port: int, jobs: int) -> Limits:
    """On a migrated database, with so many jobs, and a receiver of callbacks at a port."""
    async with open_thread_loop(lambda _, context: None) as loop:
        drained, started = await loop.call(_written, url, jobs)
    return Limits(drained, started, _read(jobs), *await _called(port, jobs))


def _read(number: int) -> float:
    """Milliseconds of CPU for each of so many bodies, as a batch has them."""
    library = Library({(None, FLOW.name): FLOW})
    origin = {"path": "/jobs/batch", "remote_addr": "127.0.0.1", "headers": {"client": "bench"}}
    owners = {"bench": Client("bench", "")}
    reading = BodyReading(Reader(library, "local", _now()), origin, "bench", (), owners)
    body = json.dumps({"job": {"workflow": FLOW.name}, "parameters": {}}).encode()
    began = time.process_time()
    found = reading.read([Item(body)] * number)
    seconds = time.process_time() - began
    assert all(isinstance(one, Submission) and one.refusal is None for one in found)
    return 1000 * seconds / number


async def _called(port: int, number: int) -> tuple[float, float]:
    """Signed callbacks, sent one after the other by each of the senders."""
    async with open_outbound(["127.0.0.0/8"]) as http:
        began, used = time.perf_counter(), time.process_time()
        async with trio.open_nursery() as nursery:
            for first in range(SENDERS):
                url = f"http://127.0.0.1:{port}/limit"
                nursery.start_soon(_send_all, http, url, range(first, number, SENDERS))
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return number / seconds, 1000 * cpu / number


async def _send_all(http: httpx.AsyncClient, url: str, numbers: Iterable[int]) -> None:
    for number in numbers:
        await _send(http, url, number)


async def _send(http: httpx.AsyncClient, url: str, number: int) -> None:
    """As a courier does."""
    body = json.dumps({"job_id": str(number), "event": "start"}).encode()
    with trio.fail_after(REQUEST_DEADLINE):
        headers = SIGNING.signed(f"msg_{uuid.uuid4().hex}", int(time.time()), body)
        request = http.build_request("POST", parsed_url(url), content=body, headers=headers)
        response = await http.send(request, stream=True)
        await finish(response)
    assert response.status_code == 200


async def _written(url: str, jobs: int) -> tuple[float, float]:
    """Jobs a second, from the backlog to their ends; and seconds from a submission to its claim,
    where nothing else waits."""
    connection = await asyncpg.connect(url)
    try:
        [row] = await connection.fetch(SQL["join_instance"], "limit", _now(), 15.0, None)
        await _transaction(connection, clients.put_setting, SYSTEM, "max_jobs", str(2 * BATCH))
        loop = _BareLoop(connection, row["id"])
        drained = await loop.drained(jobs)
        return drained, median([await loop.started() for _ in range(jobs // 20)])
    finally:
        connection.terminate()


@dataclass(frozen=True, slots=True)
class _BareLoop:
    """The transactions of a job's way, as an instance."""

    connection: Connection
    instance: int

    async def drained(self, jobs: int) -> float:
        """Jobs a second."""
        for _ in range(jobs // BATCH):
            await self._submit(BATCH)
        began = time.perf_counter()
        for _ in range(jobs // BATCH):
            await self._end(await self._begin(BATCH))
        seconds = time.perf_counter() - began
        assert await self.connection.fetchval("select count(*) from jobs where state = 2") == jobs
        return jobs / seconds

    async def started(self) -> float:
        """Seconds."""
        began = time.perf_counter()
        await self._submit(1)
        fences = await self._begin(1)
        seconds = time.perf_counter() - began
        await self._end(fences)
        return seconds

    async def _submit(self, number: int) -> None:
        batch = submit.prepare([_submission() for _ in range(number)])
        await _transaction(self.connection, submit.submit, batch, _now(), self.instance)

    async def _begin(self, number: int) -> list[Fence]:
        await _transaction(self.connection, admit.admit, _now(), number, self.instance)
        given = (self.instance, "work", ["core.noop"], number, uuid.uuid4(), _now())
        claimed = await claim.claim(self.connection, *given, Ahead(0, ()), False)
        fences = [attempt.fence for attempt in claimed.attempts]
        assert len(fences) == number
        return fences

    async def _end(self, fences: list[Fence]) -> None:
        told = [one for fence in fences for one in _records(fence)]
        given = (self.instance, told, _now(), uuid.uuid4())
        await _transaction(self.connection, record.record, *given)


async def _transaction(connection: Connection, function: object, *arguments: object) -> None:
    await connection.execute("begin")
    await function(connection, *arguments)  # type: ignore[operator]
    await connection.execute("commit")


def _submission() -> Submission:
    return Submission(
        client="bench",
        workflow="noop",
        submitted={},
        parameters={},
        lines=[(Severity.INFO, "api", "submitted")],
        definition=FLOW.definition,
        client_scope={"name": "bench"},
    )


def _records(fence: Fence) -> list[Record]:
    """What an attempt of a task that does nothing tells."""
    now = _now()
    texts = (definitions_line(None), "Task 'noop' started", "'noop' completed successfully")
    first, second, last = (Written(fence, now, text, Severity.INFO) for text in texts)
    return [first, second, Began(fence, now), last, Ended(fence, now, Outcome.COMPLETED)]


def _now() -> datetime:
    return datetime.now(UTC)
