"""One reader tells all streams what changes; those that nobody reads are dropped."""

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import pytest
import trio

from taskengine.actors.event_feed import (
    CLIENT_CHECK_INTERVAL,
    MAX_CLIENT_STREAMS,
    MAX_QUEUED,
    POLL_INTERVAL,
    EventFeed,
    TooManyStreams,
)
from taskengine.messages import Wake
from taskengine.model import Client, Progressed
from taskengine.runtime.mailbox import Mailbox
from taskengine.runtime.supervisor import supervise
from taskengine.store.memory import MemoryStore
from taskengine.testing.contract.world import PAIR, World, done, submission
from tests.conftest import NOON

ACME = Client("acme", "its key")


class CountingStore(MemoryStore):
    """Counts how often it is asked for news."""

    asked = 0

    async def news(self, after, limit):
        self.asked += 1
        return await super().news(after, limit)


@pytest.fixture
async def world():
    world = await World(CountingStore()).settle()
    await world.store.put_client(ACME)
    return world


@pytest.fixture
def event_feed(world, nursery):
    mailbox = Mailbox(1)
    made = EventFeed(world.store, partial(mailbox.address.hint, Wake()))
    nursery.start_soon(made.run, mailbox)
    return made


@contextmanager
def listening(event_feed, wanted=lambda change: True):
    with event_feed.stream(ACME, wanted) as stream:
        yield stream


async def told(stream):
    """The next batch, as id, state and progress."""
    changes, _ = await stream.receive.receive()
    return [(one.job.id, one.job.state.label, one.progress) for one in changes]


async def test_every_stream_hears_what_it_wants(world, event_feed, autojump_clock):
    with (
        listening(event_feed) as all_,
        listening(event_feed, lambda one: one.job.client == "beta") as own,
    ):
        await event_feed.reading()
        await world.submit(submission(), submission(client="beta"))
        event_feed.wake()
        assert await told(all_) == [(1, "queued", 0), (2, "queued", 0)]
        assert await told(own) == [(2, "queued", 0)]
    assert event_feed.streams == 0


async def test_a_hint_is_followed_at_once_and_without_one_it_looks_by_itself(
    world, event_feed, autojump_clock
):
    with listening(event_feed) as stream:
        await event_feed.reading()
        await trio.sleep(0.25)
        start = trio.current_time()
        await world.submit(submission())
        event_feed.wake()
        await told(stream)
        assert trio.current_time() == start
        await world.submit(submission())
        await told(stream)
        assert trio.current_time() <= start + POLL_INTERVAL


async def test_progress_is_told_once_for_each_percent(world, event_feed, autojump_clock):
    job_id = await world.start(PAIR)
    [attempt] = await world.claim(1)
    with listening(event_feed) as stream:
        await event_feed.reading()
        await world.record(Progressed(attempt.fence, 0.5))
        assert await told(stream) == [(job_id, "started", 25)]
        with trio.move_on_after(10) as silence:
            await told(stream)
        assert silence.cancelled_caught
        [other] = await world.claim(1)
        await world.record(done(attempt), done(other))
        assert await told(stream) == [(job_id, "completed", 100)]


async def test_without_streams_nothing_is_asked(world, event_feed, autojump_clock):
    for _ in range(50):
        event_feed.wake()
        await trio.sleep(1)
    assert world.store.asked == 0
    with listening(event_feed):
        await event_feed.reading()
    await trio.sleep(2)
    before = world.store.asked
    await trio.sleep(100)
    assert world.store.asked == before


async def test_many_hints_cost_few_looks(world, event_feed, autojump_clock):
    with listening(event_feed):
        await event_feed.reading()
        for _ in range(1000):
            event_feed.wake()
            await trio.sleep(0.001)
    assert world.store.asked <= 12


async def test_a_stream_that_nobody_reads_is_dropped(world, event_feed, autojump_clock):
    with listening(event_feed) as idle, listening(event_feed) as read:
        await event_feed.reading()
        for number in range(MAX_QUEUED + 5):
            await world.submit(submission())
            assert await told(read) == [(number + 1, "queued", 0)]
        heard = [batch async for batch in idle.receive]
        assert len(heard) == MAX_QUEUED
        again = await world.store.news(heard[-1][1], 100)
        assert [one.job.id for one in again.changes] == [MAX_QUEUED + 1 + n for n in range(5)]


async def test_streams_are_limited_and_end_with_the_engine(event_feed, autojump_clock):
    with ExitStack() as stack:
        streams = [stack.enter_context(listening(event_feed)) for _ in range(MAX_CLIENT_STREAMS)]
        with pytest.raises(TooManyStreams):
            stack.enter_context(listening(event_feed))
        with event_feed.stream(Client("beta", ""), lambda change: True):
            pass
        event_feed.close()
        for stream in streams:
            assert [batch async for batch in stream.receive] == []
    with listening(event_feed) as late:
        assert [batch async for batch in late.receive] == []


@pytest.mark.parametrize(
    "now", [None, replace(ACME, key_hash="another"), replace(ACME, admin=True)]
)
async def test_a_client_that_is_not_what_it_was_hears_no_more(
    world, event_feed, autojump_clock, now
):
    await world.store.put_client(Client("beta", "its key"))
    with listening(event_feed) as gone, event_feed.stream(Client("beta", "its key"), bool) as kept:
        await event_feed.reading()
        await trio.sleep(CLIENT_CHECK_INTERVAL)
        if now is None:
            await world.store.remove_client("acme")
        else:
            await world.store.put_client(now)
        start = trio.current_time()
        assert [batch async for batch in gone.receive] == []
        assert trio.current_time() - start <= CLIENT_CHECK_INTERVAL + POLL_INTERVAL
        await world.submit(submission())
        assert await told(kept) == [(1, "queued", 0)]


async def test_a_crash_of_the_feed_loses_nothing(world, nursery, autojump_clock):
    """Its streams and its mark stay as they are."""
    mailbox = Mailbox(1)
    event_feed = EventFeed(world.store, partial(mailbox.address.hint, Wake()))
    nursery.start_soon(partial(supervise, partial(event_feed.run, mailbox), name="event_feed"))
    with listening(event_feed) as stream:
        await event_feed.reading()
        read, world.store.news = world.store.news, None  # whoever asks now fails
        await world.store.submit([submission()], NOON)
        await trio.sleep(1.2)
        world.store.news = read
        assert await told(stream) == [(1, "queued", 0)]
