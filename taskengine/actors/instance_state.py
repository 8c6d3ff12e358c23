"""Who this instance is to its peers, the attempts that it runs and the lanes that it delivers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

import trio

from taskengine.model import Attempt, Fence, LaneFence


class Stopped(Enum):
    """Why an attempt was cancelled; None while it was not, or at the end of a drain."""

    UNWANTED = auto()  # its job is over: its end is to be recorded
    STALE = auto()  # another attempt runs: nothing it writes counts


@dataclass(slots=True)
class Running:
    """An attempt, from its claim on. What its end may write besides its result depends on the job:
    how many URLs hear of it, and how many octets its documents have."""

    scope: trio.CancelScope
    stopped: Stopped | None = None
    lanes: int = 0
    size: int = 0
    over_since: float = math.inf  # when its action ended, on trio's clock; its end may be unwritten


@dataclass(slots=True)
class InstanceState:
    """Shared by the actors of one instance; only the heartbeat changes `instance` and says when it
    was seen alive. `lease` is in seconds."""

    instance: int = 0
    lease: float = math.inf
    running: dict[Fence, Running] = field(default_factory=dict)
    drain: trio.CancelScope = field(default_factory=trio.CancelScope)  # of those who run attempts
    lanes: dict[LaneFence, trio.CancelScope] = field(default_factory=dict)
    has_peers: bool = True  # other instances work on the same database, as far as is known
    _on_probation: Fence | None = field(default=None, init=False)
    _seen: float = field(default_factory=trio.current_time, init=False)
    _doubters: trio.lowlevel.ParkingLot = field(
        default_factory=trio.lowlevel.ParkingLot, init=False
    )

    def list(self, attempt: Attempt) -> None:
        """From its claim on, until its end is written or it is handed back."""
        self.running[attempt.fence] = Running(trio.CancelScope(), None, attempt.lanes, attempt.size)

    def forget(self, fence: Fence) -> None:
        """Nothing of the attempt is left to do."""
        self.running.pop(fence, None)

    def stop(self, fences: Iterable[Fence], why: Stopped) -> None:
        """Cancel attempts that are still running."""
        for fence in fences:
            running = self.running.get(fence)
            if running is not None and running.stopped is None:
                running.stopped = why
                running.scope.cancel()

    @contextmanager
    def probation(self, fence: Fence) -> Iterator[bool]:
        """For the length of the block no other attempt has this; False if one has it."""
        is_free = self._on_probation is None
        if is_free:
            self._on_probation = fence
        try:
            yield is_free
        finally:
            if is_free:
                self._on_probation = None

    def over_for(self, seconds: float) -> frozenset[Fence]:
        """Attempts whose end could not be written for so long."""
        before = trio.current_time() - seconds
        return frozenset(
            fence for fence, running in self.running.items() if running.over_since <= before
        )

    def disown(self) -> None:
        """Peers declared this instance dead: whatever it runs is somebody else's now."""
        self.stop(list(self.running), Stopped.STALE)
        for scope in self.lanes.values():
            scope.cancel()

    def seen_alive(self, when: float) -> None:
        """A beat that set out at this time, on trio's clock, was counted."""
        self._seen = when
        self._doubters.unpark_all()

    async def surely_alive(self) -> None:
        """Wait until no peer can have declared this instance dead. If the process was stopped for
        a lease or longer, that takes another beat."""
        while trio.current_time() - self._seen >= self.lease:
            await self._doubters.park()
