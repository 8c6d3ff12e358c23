"""Death is seen, not computed (rule 2): what one instance makes of the beats of another.

A lease is 15 s here, and beats are read each second: by virtual times.
"""

from contextlib import asynccontextmanager
from functools import partial

import trio

from taskengine.actors.heartbeat import Heartbeat
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.rescuer import Rescuer
from taskengine.messages import Wake
from taskengine.model import Recorded, StoreUnavailable
from taskengine.runtime.clock import virtual_clock
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Beat
from tests.conftest import NOON

MINE, PEER = 1, 2


class Beats:
    """A store of beats: the peer's moves when a test says so; notes who is rescued, and when."""

    def __init__(self):
        self.mine, self.peer = 0, 0
        self.read, self.rescued, self.trouble = [], [], {}
        self.rescues, self.slowness = None, 0.0

    async def beat(self, instance):
        await trio.lowlevel.checkpoint()
        self.mine += 1
        return Beat(frozenset(), frozenset(), frozenset())

    async def beats(self):
        second = round(trio.current_time())
        self.read.append(second)
        trouble = self.trouble.pop(second, None)
        if isinstance(trouble, StoreUnavailable):
            raise trouble
        await trio.sleep(trouble or 0)
        peer = {} if self.rescued else {PEER: self.peer}
        return {MINE: self.mine, **peer}

    async def leases(self):
        await trio.lowlevel.checkpoint()
        return {}  # a row of a version that named none: the watcher's own counts

    async def rescue(self, instance, beat, now):
        await trio.sleep(self.slowness)
        self.rescued.append((instance, beat, round(trio.current_time())))
        return Recorded()


@asynccontextmanager
async def watched():
    """From second 0 on."""
    store = Beats()
    state = InstanceState(MINE, 15.0)
    with Mailbox[Wake](1) as mailbox, Mailbox[Wake](1) as rescues:
        rescuer = Rescuer(store, virtual_clock(NOON), spread=lambda recorded: None)

        def suspect(peer, beat):
            rescuer.silent[peer] = beat
            rescues.address.hint(Wake())

        heartbeat = Heartbeat(
            store=store,
            state=state,
            recorder=mailbox.address,
            now=virtual_clock(NOON),
            name="first",
            lease=15.0,
            told_silent=suspect,
            told_dead=partial(rescues.address.hint, Wake()),
            keep_time=trio.lowlevel.checkpoint,
            cut=lambda: None,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heartbeat.run, mailbox)
            nursery.start_soon(rescuer.run, rescues)
            store.rescues = rescues
            yield store
            nursery.cancel_scope.cancel()


async def test_who_stands_still_for_a_lease_is_dead(autojump_clock):
    async with watched() as store:
        await trio.sleep(15.5)
        assert store.rescued == [(PEER, 0, 15)]
        assert store.read == [*range(16), 15]  # the rescuer reads too


async def test_who_moves_lives_for_another_lease(autojump_clock):
    async with watched() as store:
        await trio.sleep(9.5)
        store.peer += 1
        await trio.sleep(20)
        assert store.rescued == [(PEER, 1, 25)]


async def test_a_failed_reading_starts_the_watch_anew(autojump_clock):
    async with watched() as store:
        store.trouble[10] = StoreUnavailable("away")
        await trio.sleep(28)
        assert store.rescued == [(PEER, 0, 26)]


async def test_a_late_reading_starts_the_watch_anew(autojump_clock):
    """It is given up after two seconds."""
    async with watched() as store:
        store.trouble[10] = 2.5
        await trio.sleep(28)
        assert store.rescued == [(PEER, 0, 27)]


async def test_a_reading_that_never_ends_holds_up_no_heartbeat(autojump_clock):
    async with watched() as store:
        store.trouble[4] = 1e6
        await trio.sleep(14.5)
        assert store.mine == 3


async def test_who_slept_itself_starts_the_watch_anew(autojump_clock):
    """Its host was suspended, that of the peer perhaps as well: who wakes first must not rescue."""
    async with watched() as store:
        await trio.sleep(5.5)
        autojump_clock.jump(20)
        await trio.sleep(0.1)
        assert store.rescued == []
        await trio.sleep(16)
        assert store.rescued == [(PEER, 0, 40)]


async def test_who_is_known_to_be_dead_is_not_waited_for(autojump_clock):
    async with watched() as store:
        await trio.sleep(3.5)
        store.peer = None
        store.rescues.address.hint(Wake())
        await trio.sleep(0.001)
        assert store.read[-1] == 4  # rounded: at once
        assert store.rescued == [(PEER, None, 4)]
        assert trio.current_time() < 3.6


async def test_without_a_hint_a_death_is_found_at_the_next_reading(autojump_clock):
    async with watched() as store:
        await trio.sleep(3.5)
        store.peer = None
        await trio.sleep(0.4)
        assert store.rescued == []
        await trio.sleep(0.2)
        assert store.rescued == [(PEER, None, 4)]


async def test_a_rescue_that_takes_long_is_not_cut_short_and_holds_up_no_heartbeat(autojump_clock):
    """A reading may take two seconds; a rescue waits for locks of whoever works."""
    async with watched() as store:
        await trio.sleep(3.5)
        store.peer, store.slowness = None, 8
        store.rescues.address.hint(Wake())
        await trio.sleep(8.1)
        assert store.rescued == [(PEER, None, 12)]
        assert store.mine == 3
        assert set(range(12)) <= set(store.read)


async def test_a_silence_is_believed_for_seconds_alone(autojump_clock):
    """Whoever was silent may beat again, and nobody hears it while the database is away."""
    async with watched() as store:
        store.slowness = 1000
        await trio.sleep(40)
        assert store.rescued == []
        store.slowness = 1
        await trio.sleep(10)
        assert [peer for peer, *_ in store.rescued] == [PEER]
