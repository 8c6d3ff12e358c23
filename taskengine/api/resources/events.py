"""GET /events: what changes, as it changes, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import trio
from quart import Response, request
from werkzeug.exceptions import TooManyRequests

from taskengine.actors.event_feed import PAGE_SIZE, EventFeed, EventStream, TooManyStreams
from taskengine.api.arrival import ends_of
from taskengine.api.auth import caller, check_owner, header, reach
from taskengine.api.connections import EVENT_STREAM
from taskengine.api.errors import Draining
from taskengine.api.openapi.listing import LISTED
from taskengine.api.openapi.operation import TEXT, Operation, Parameter, ResponseSpec
from taskengine.api.query import Query, whole
from taskengine.api.resources.jobs import MAX_ITEMS
from taskengine.api.responses import dumps
from taskengine.api.routes import Route
from taskengine.api.serializers import job_row
from taskengine.api.services import Services
from taskengine.model import BadInput, Client, StoreUnavailable
from taskengine.store import Mark
from taskengine.store.types import Change

HEARTBEAT = 15.0  # seconds of silence after which a comment is sent, so that proxies keep it open
RETRY = 2_000  # milliseconds after which a reader connects anew
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # nginx: do not collect it
LAST_EVENT_ID = "Last-Event-ID"
EVENTS = Operation(
    summary="Changes of jobs, as they happen",
    tag="jobs",
    description=(
        "Server-sent events named `job`, each with a row of GET /jobs and its `progress`. The last "
        "state of each job is told at least once; states in between may be merged into it."
    ),
    answer=ResponseSpec("The events, until one side closes.", TEXT, EVENT_STREAM),
    parameters=[
        *(one for one in LISTED if one.name in ("client", "job_ids")),
        Parameter(
            LAST_EVENT_ID,
            "The id of the last event received: the stream continues after it.",
            TEXT,
            "header",
        ),
    ],
    errors={
        400: "A parameter is invalid.",
        403: "The jobs belong to another client.",
    },
)


@dataclass(frozen=True, slots=True)
class Events:
    services: Services

    async def events(self) -> Response:
        client = await caller(self.services)
        own = None if self.services.configuration.public_reads else reach(client)
        wanted = _filter(Query.of_request(), own)
        mark = _mark(header(LAST_EVENT_ID))
        event_feed, stream = open_stream(self.services.event_feed, client, wanted)
        mark = mark or (await self.services.store.news(None, 0)).mark
        return streamed(self._told(event_feed, stream, mark), HEADERS)

    async def _told(
        self, event_feed: EventFeed, stream: EventStream, mark: Mark
    ) -> AsyncGenerator[bytes, None]:
        """First what has changed since the mark, then what changes, each once."""
        yield f"retry: {RETRY}\n\n".encode()
        await event_feed.reading()
        more = True
        while more:
            try:
                news = await self.services.store.news(mark, PAGE_SIZE)
            except StoreUnavailable:
                return  # it connects anew, with the id of the last event
            mark, more = news.mark, news.more
            yield _written([one for one in news.changes if stream.wanted(one)], mark)
        async with aclosing(_live(stream, mark)) as live:
            async for text in live:
                yield text


def open_stream(
    event_feed: EventFeed | None, client: Client, wanted: Callable[[Change], bool]
) -> tuple[EventFeed, EventStream]:
    """A stream that counts from now on, for as long as the request lasts: others may ask while this
    one waits. Raises Draining, TooManyRequests."""
    if event_feed is None or event_feed.closed:
        raise Draining
    try:
        return event_feed, ends_of(request).enter_context(event_feed.stream(client, wanted))
    except TooManyStreams:
        raise TooManyRequests("too many streams of events", retry_after=60) from None


def streamed(told: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> Response:
    """An answer without end; of HEAD its headers."""
    body: AsyncGenerator[bytes, None] | bytes = b"" if request.method == "HEAD" else told
    response = Response(body, headers={**headers}, content_type=EVENT_STREAM)
    response.timeout = None
    return response


async def _live(stream: EventStream, start: Mark) -> AsyncGenerator[bytes, None]:
    """What the event feed tells behind a mark, and signs of life."""
    mark = start
    while True:
        batch = None
        with trio.move_on_after(HEARTBEAT):
            try:
                batch = await stream.receive.receive()
            except trio.EndOfChannel:
                return
        if batch is None:
            yield b":\n" + _written([], mark)
            continue
        changes, behind = batch
        mark = max(mark, behind, key=lambda one: (one.number, one.job_id))
        new = [one for one in changes if not start.covers(one)]
        if new:
            yield _written(new, mark)


def _written(changes: Sequence[Change], mark: Mark) -> bytes:
    """Events; the id behind the last of them says how far they go."""
    texts = [
        b"event: job\ndata: " + dumps({**job_row(one.job), "progress": one.progress}) + b"\n"
        for one in changes
    ]
    return b"\n".join([*texts[:-1], b"".join(texts[-1:]) + f"id: {mark}\n\n".encode()])


def _filter(query: Query, own: str | None) -> Callable[[Change], bool]:
    """As GET /jobs filters. Raises BadInput, Forbidden."""
    client = query.text("client")
    if own is not None:
        check_owner(own, client or own)
        client = own
    ids = frozenset(whole("job_ids", text) for text in query.texts("job_ids"))
    if len(ids) > MAX_ITEMS:
        raise BadInput(f"job_ids: expected at most {MAX_ITEMS}")

    def wanted(change: Change) -> bool:
        job = change.job
        listed = job.id in ids if ids else job.digest is not None
        return listed and client in (None, job.client)

    return wanted


def _mark(text: str) -> Mark | None:
    try:
        return Mark.read(text) if text else None
    except ValueError:
        raise BadInput(f"{LAST_EVENT_ID}: expected the id of an event") from None


def routes(services: Services) -> Sequence[Route]:
    return [Route("GET", "/events", Events(services).events, EVENTS)]
