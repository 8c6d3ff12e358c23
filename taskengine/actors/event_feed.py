"""Event feed: reads what changes, and tells it to all streams of `/events` of this instance.

It looks when a hint says that something has happened, and each second besides, as long as there
are streams; without any it asks nothing. A stream that nobody reads is dropped: its client may
come again and go on from its last mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import trio

from taskengine.messages import Wake
from taskengine.model import Client
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import JobFilter, Mark, Store
from taskengine.store.types import Change

POLL_INTERVAL = 1.0  # seconds between looks without a hint: progress has none
POLL_PAUSE = 0.1  # seconds between looks, however many hints there are
PAGE_SIZE = 500  # changes
# Seconds between looks whether the clients of streams are what they were.
CLIENT_CHECK_INTERVAL = 3.0
MAX_IDLE = 3600.0  # seconds; there is nothing to look for
MAX_QUEUED = 64  # batches that a stream may lag behind
MAX_STREAMS = 200  # of an instance
MAX_CLIENT_STREAMS = 20  # of a client

ChangesUpTo = tuple[Sequence[Change], Mark]


class TooManyStreams(Exception):
    """There is no room for another stream."""


@dataclass(eq=False, slots=True)
class EventStream:
    """What one reader is told: batches of changes that it wants, each with the mark behind it."""

    client: Client  # as it was when it asked
    wanted: Callable[[Change], bool]
    _send: trio.MemorySendChannel[ChangesUpTo]
    receive: trio.MemoryReceiveChannel[ChangesUpTo]

    def tell(self, changes: Sequence[Change], mark: Mark) -> None:
        """A reader that lags too far behind is dropped."""
        try:
            self._send.send_nowait(([one for one in changes if self.wanted(one)], mark))
        except (trio.WouldBlock, trio.ClosedResourceError, trio.BrokenResourceError):
            self.close()

    def close(self) -> None:
        """Its reader comes to the end of what it was told."""
        self._send.close()


@dataclass(slots=True)
class EventFeed:
    store: Store
    wake: Callable[[], None]  # there is a stream to serve
    _streams: dict[EventStream, None] = field(default_factory=dict, init=False)
    _mark: Mark | None = field(default=None, init=False)
    _at_work: dict[int, int] = field(default_factory=dict, init=False)  # percent by job
    _reading: trio.Event = field(default_factory=trio.Event, init=False)
    _closed: bool = field(default=False, init=False)
    _trusted_until: float = field(default=0.0, init=False)

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def streams(self) -> int:
        return len(self._streams)

    @contextmanager
    def stream(self, client: Client, wanted: Callable[[Change], bool]) -> Iterator[EventStream]:
        """A stream for the length of the block. Raises TooManyStreams."""
        own = sum(stream.client.name == client.name for stream in self._streams)
        if len(self._streams) >= MAX_STREAMS or own >= MAX_CLIENT_STREAMS:
            raise TooManyStreams
        send, receive = trio.open_memory_channel[ChangesUpTo](MAX_QUEUED)
        stream = EventStream(client, wanted, send, receive)
        self._streams[stream] = None
        if self._closed:
            stream.close()
        self.wake()
        try:
            yield stream
        finally:
            del self._streams[stream]
            stream.close()

    async def reading(self) -> None:
        """Wait until whatever changes from now on is told."""
        await self._reading.wait()

    def close(self) -> None:
        """End all streams, and those to come."""
        self._closed = True
        self._reading.set()
        for stream in self._streams:
            stream.close()

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                if self._streams:
                    await self._end_distrusted()
                    await self._look()
                    await trio.sleep(POLL_PAUSE)
                    await mailbox.collect(POLL_INTERVAL - POLL_PAUSE)
                else:
                    self._rest()
                    await mailbox.collect(MAX_IDLE)

    async def _end_distrusted(self) -> None:
        """A client that was removed, or has another key or other rights, hears no more."""
        if trio.current_time() < self._trusted_until:
            return
        self._trusted_until = trio.current_time() + CLIENT_CHECK_INTERVAL
        names = {stream.client.name for stream in self._streams}
        known = {name: await self.store.client(name) for name in names}
        for stream in self._streams:
            name = stream.client.name
            if name in known and _rights(known[name]) != _rights(stream.client):
                stream.close()

    def _rest(self) -> None:
        self._mark, self._at_work = None, {}
        if not self._closed:
            self._reading = trio.Event()

    async def _look(self) -> None:
        """One batch for each page of what is new, then one of what has come further."""
        more = True
        while more:
            news = await self.store.news(self._mark, PAGE_SIZE)
            self._mark, more = news.mark, news.more
            self._reading.set()
            self._tell(news.changes)
        await self._tell_progress()

    async def _tell_progress(self) -> None:
        progress = await self.store.progress()
        now = {job_id: int(100 * done / number) for job_id, (done, number) in progress.items()}
        further = [job_id for job_id in now if now[job_id] != self._at_work.get(job_id, 0)]
        self._at_work = now
        if further:
            jobs = await self.store.jobs(JobFilter(limit=len(further), job_ids=further))
            self._tell([Change(job, now[job.id]) for job in jobs])

    def _tell(self, changes: Sequence[Change]) -> None:
        if changes and self._mark is not None:
            for stream in self._streams:
                stream.tell(changes, self._mark)


def _rights(client: Client | None) -> tuple[str, bool] | None:
    return None if client is None else (client.key_hash, client.admin)
