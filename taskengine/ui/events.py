"""What changes, told to open pages by server-sent events: they fetch themselves anew.

A page is told which jobs have changed, and a job's page the new lines of its log. A stream carries
no marks: whoever connects anew fetches the page once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing

import trio
from quart import Response

from taskengine.actors.event_feed import EventStream
from taskengine.api.resources.events import HEARTBEAT, RETRY, open_stream, streamed
from taskengine.api.responses import dumps
from taskengine.model import JsonObject, LogLine, StoreUnavailable
from taskengine.store.types import Change
from taskengine.ui.rendering import HEADERS
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit

LOG_PAUSE = 1.0  # seconds between looks at the log of a job that runs
MANY_LINES = 200  # of a log, told at once


async def events(visit: Visit) -> Response:
    """Of the jobs that may be seen, or of one of them with the lines of its log."""
    number = visit.query.number("job")
    if number is not None:
        await visit.job(number)
    _, stream = open_stream(visit.services.event_feed, visit.client, _wanted(visit, number))
    after = visit.query.number("after")
    told = (
        _changes(stream) if number is None or after is None else _log(visit, stream, number, after)
    )
    return streamed(told, {**HEADERS, "X-Accel-Buffering": "no"})


def _wanted(visit: Visit, number: int | None) -> Callable[[Change], bool]:
    def wanted(change: Change) -> bool:
        job = change.job
        return visit.only in (None, job.client) and number in (None, job.id)

    return wanted


async def _changes(stream: EventStream) -> AsyncGenerator[bytes, None]:
    yield f"retry: {RETRY}\n\n".encode()
    while True:
        jobs: list[int] | None = None
        with trio.move_on_after(HEARTBEAT):
            try:
                changes, _ = await stream.receive.receive()
            except trio.EndOfChannel:
                return
            jobs = [change.job.id for change in changes]
        if jobs is None:
            yield b":\n\n"
        elif jobs:
            yield _event("changed", jobs)


async def _log(
    visit: Visit, stream: EventStream, number: int, after: int
) -> AsyncGenerator[bytes, None]:
    """The changes of a job, and the lines of its log behind one."""
    yield f"retry: {RETRY}\n\n".encode()
    silent_since = trio.current_time()
    while True:
        changed = False
        with trio.move_on_after(LOG_PAUSE):
            try:
                changes, _ = await stream.receive.receive()
            except trio.EndOfChannel:
                return
            changed = bool(changes)
        try:
            lines = await _some(visit, number, after)
        except StoreUnavailable:
            return  # it connects anew
        if lines:
            after = lines[-1]["id"]
            yield _event("lines", lines)
        if changed:
            yield _event("changed", [number])
        if lines or changed:
            silent_since = trio.current_time()
        elif trio.current_time() - silent_since > HEARTBEAT:
            silent_since = trio.current_time()
            yield b":\n\n"


async def _some(visit: Visit, number: int, after: int) -> list[JsonObject]:
    """The next lines of a log; whoever is told of them asks for those behind."""
    pages: AsyncIterator[Sequence[LogLine]] = visit.services.store.log(number, after=after)
    async with aclosing(pages):  # type: ignore[type-var]
        page: Sequence[LogLine] = await anext(pages, [])
    return [visit.renderer.log_line(line) for line in page[:MANY_LINES]]


def _event(name: str, value: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), dumps(value))


ROUTES = [PageRoute("GET", "/events", events, query=("job", "after"))]
