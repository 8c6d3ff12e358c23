"""Heartbeat: this instance's heartbeat, and the deaths of its peers.

Death is seen, not computed (rule 2): a peer is dead when its beat stood still for a whole lease
of our own uninterrupted, on-time reading. A failed or late read starts the watch anew, so that an
outage of the database kills nobody. Sooner, at once, it is dead where it is known to be: a witness
saw its process end. What the dead held is the rescuer's business.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import trio

from taskengine.actors.instance_state import InstanceState, Stopped
from taskengine.actors.wiring import Wiring
from taskengine.messages import Mail, Note, Topic, Wake
from taskengine.model import Ended, Fence, LaneFence, Outcome, StoreUnavailable
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Address, Mailbox
from taskengine.store import Dismissed, Store
from taskengine.store.completion import NEVER_ARRIVED

logger = logging.getLogger(__name__)

READ_INTERVAL = 1.0  # seconds between two readings of all beats
RETURN_INTERVAL = 0.2  # seconds between them where the database was away: witnesses get through
RETURN_TIME = 3.0  # seconds for which it is so
READ_DEADLINE = 2.0  # seconds after which a reading is late
F = TypeVar("F")


@dataclass(slots=True)
class UnknownClaims(Generic[F]):
    """Claims that the store says are held, and nobody here knows of: since when. A new one may be
    on its way; heartbeats may follow each other quickly, where hints ask for them."""

    patience: float  # seconds
    _since: dict[F, float] = field(default_factory=dict, init=False)

    def lasting(self, unknown: Collection[F]) -> frozenset[F]:
        """Those that nobody has known of for so long: from now on they are forgotten."""
        now = trio.current_time()
        since = {one: self._since.get(one, now) for one in unknown}
        lasting = frozenset(one for one in unknown if now >= since[one] + self.patience)
        self._since = {one: when for one, when in since.items() if one not in lasting}
        return lasting


@dataclass(slots=True)
class Heartbeat:
    store: Store  # an impatient one, on connections of its own
    state: InstanceState
    recorder: Address[Mail]
    now: Now
    name: str
    lease: float  # seconds
    told_silent: Callable[[int, int], None]  # a peer, and the beat at which it stands still
    told_dead: Callable[[], None]  # a peer is known to be dead
    keep_time: Callable[[], Awaitable[object]]
    cut: Callable[[], None]  # kills the children of whatever runs
    process: uuid.UUID | None = None  # that this instance is, to its witness
    _watched: dict[int, tuple[int, float]] = field(default_factory=dict, init=False)
    _unknown: UnknownClaims[Fence] = field(init=False)
    _unknown_lanes: UnknownClaims[LaneFence] = field(init=False)
    _over: frozenset[Fence] = field(default=frozenset(), init=False)  # as the peers know it
    _next_beat: float = field(default=0.0, init=False)
    _last_read: float = field(default=-1e9, init=False)
    _last_outage: float = field(default=-1e9, init=False)

    @classmethod
    def of(cls, wiring: Wiring) -> Heartbeat:
        resources, mailboxes, options = wiring.resources, wiring.mailboxes, wiring.options

        def suspect(peer: int, beat: int) -> None:
            wiring.silent[peer] = beat
            mailboxes.wake(Topic.DEATH)

        return cls(
            store=resources.vital or resources.store,
            state=wiring.state,
            recorder=mailboxes.recorder.address,
            now=resources.now,
            name=options.name,
            lease=options.lease,
            told_silent=suspect,
            told_dead=partial(mailboxes.wake, Topic.DEATH),
            keep_time=resources.keep_time,
            cut=resources.environment.pulse.cut,
            process=options.process,
        )

    def __post_init__(self) -> None:
        self._unknown, self._unknown_lanes = (
            UnknownClaims(self.lease / 3),
            UnknownClaims(self.lease / 3),
        )

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        """Until cancelled: the heartbeat ends last. A hint says that jobs were stopped."""
        while True:
            started = trio.current_time()
            try:
                with trio.fail_after(READ_DEADLINE):
                    await self._look()
            except (StoreUnavailable, trio.TooSlowError):
                self._watched.clear()
                self._last_outage = trio.current_time()
            if await mailbox.collect(self._pause(started)):
                self._next_beat = trio.current_time()

    def _pause(self, started: float) -> float:
        """Seconds from now to the next reading, after one that began then."""
        now = trio.current_time()
        is_back = now < self._last_outage + RETURN_TIME
        return max(0.0, started + (RETURN_INTERVAL if is_back else READ_INTERVAL) - now)

    async def _look(self) -> None:
        if trio.current_time() >= self._next_beat:
            await self._beat()
            await self.keep_time()
            self._next_beat = trio.current_time() + self.lease / 3
        await self._watch(await self.store.beats())
        await self._mark_over()

    async def _mark_over(self) -> None:
        """Tell the peers of attempts whose end cannot be written, that they are not to blame should
        this instance die."""
        over = self.state.over_for(READ_INTERVAL)
        if over != self._over:
            await self.store.mark_over(self.state.instance, over)
            self._over = over

    async def _beat(self) -> None:
        started = trio.current_time()
        try:
            beat = await self.store.beat(self.state.instance)
        except Dismissed:
            logger.warning("instance %d was declared dead, joining anew", self.state.instance)
            self.cut()
            self.state.disown()
            self._over = frozenset()
            given = (self.name, self.now(), self.lease, self.process)
            self.state.instance = await self.store.join(*given)
            self.state.seen_alive(started)
            return
        self.state.seen_alive(started)
        self.state.stop(beat.unwanted, Stopped.UNWANTED)
        self._hand_back(beat.held - self.state.running.keys())
        await self._let_go(beat.lanes - self.state.lanes.keys())

    def _hand_back(self, unknown: Collection[Fence]) -> None:
        """Give up claims that nobody runs: their answer was lost (rule 4)."""
        for fence in sorted(self._unknown.lasting(unknown), key=lambda fence: fence.task_id):
            logger.warning("task %d is held but not running, handed back", fence.task_id)
            end = Ended(fence, self.now(), Outcome.RELEASED, fate=NEVER_ARRIVED)
            self.recorder.hint(Note(end))

    async def _let_go(self, unknown: Collection[LaneFence]) -> None:
        """The same for lanes that nobody delivers."""
        if lanes := self._unknown_lanes.lasting(unknown):
            logger.warning("lanes held but not delivered, handed back: %d", len(lanes))
            await self.store.release_lanes(self.state.instance, lanes, self.now())

    async def _watch(self, beats: Mapping[int, int | None]) -> None:
        now = trio.current_time()
        if now - self._last_read > READ_INTERVAL + READ_DEADLINE:
            self._watched.clear()
        self._last_read = now
        self.state.has_peers = len(beats) > 1
        for peer, beat in beats.items():
            if beat is None:
                self.told_dead()
                continue
            seen, since = self._watched.get(peer, (None, now))
            if seen != beat:
                since = now
            self._watched[peer] = (beat, since)
            if peer != self.state.instance and now - since >= self.lease:
                await self._suspect(peer, beat, now - since)
        for gone in set(self._watched) - set(beats):
            del self._watched[gone]

    async def _suspect(self, peer: int, beat: int, silent: float) -> None:
        """One whose own lease is longer, from other settings, beats as seldom: it is let be."""
        if silent >= (await self.store.leases()).get(peer, 0.0):
            self.told_silent(peer, beat)
