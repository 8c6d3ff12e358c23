"""The desk of a queue: what was claimed waits there for a worker.

Where tasks are brief, a claim for each idle worker costs more than the tasks themselves. So some
are claimed ahead: as many as are begun within HORIZON, and only of actions that were brief of late.
An urgent task waits no longer for that; what a worker does not come for is handed back.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from taskengine.model import Attempt
from taskengine.store import Ahead

HORIZON = 0.05  # seconds that an attempt may wait on the desk
OVERDUE = 0.25  # seconds after which it is handed back
LONG = 0.5  # seconds; an attempt that takes longer is not brief,
MEMORY = 600.0  # and for so many seconds nor is its action
MAX_AHEAD = 64  # attempts


@dataclass(slots=True)
class Desk:
    """Shared by the claimer that fills it and the workers that take from it, in the order of the
    claims."""

    _waiting: deque[tuple[float, Attempt]] = field(default_factory=deque, init=False)
    _idle: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot, init=False)
    _places: int = field(default=1, init=False)
    _halved_at: float = field(default=-math.inf, init=False)
    _brief: dict[str, float] = field(default_factory=dict, init=False)  # actions, from when on
    _is_closed: bool = field(default=False, init=False)
    may_have_more: bool = field(default=True, init=False)  # the store, as the last claim tells

    @property
    def idle(self) -> int:
        """Workers that wait for an attempt."""
        return len(self._idle)

    @property
    def is_low(self) -> bool:
        """Whether it is time for a claim: it is empty, or half of what is claimed ahead is gone."""
        return 2 * len(self._waiting) <= self._places

    @property
    def ahead(self) -> Ahead:
        """What may be claimed besides what idle workers begin with."""
        now = trio.current_time()
        brief = [action for action, since in self._brief.items() if since <= now]
        return Ahead(max(0, self._places - len(self._waiting)) if brief else 0, brief)

    @property
    def patience(self) -> float:
        """Seconds until an attempt has waited for too long."""
        if not self._waiting:
            return math.inf
        return max(0.0, self._waiting[0][0] + OVERDUE - trio.current_time())

    def put(self, attempt: Attempt) -> None:
        """For the next worker."""
        self._waiting.append((trio.current_time(), attempt))
        self._idle.unpark()

    async def take(self) -> Attempt:
        """The next attempt. Raises trio.EndOfChannel when there will be none."""
        while not self._waiting:
            if self._is_closed:
                raise trio.EndOfChannel
            await self._idle.park()
        since, attempt = self._waiting.popleft()
        self._learn(since)
        return attempt

    def _learn(self, since: float) -> None:
        """From how long an attempt has waited. One delay concerns all that lie here: it counts
        once."""
        now = trio.current_time()
        if now - since <= HORIZON:
            self._places = min(self._places + 1, MAX_AHEAD)
        elif since >= self._halved_at:
            self._places = max(1, self._places // 2)
            self._halved_at = now

    def overdue(self) -> Sequence[Attempt]:
        """What has waited for too long, to be handed back: no worker comes for it."""
        back = []
        while self.patience <= 0:
            back.append(self._waiting.popleft()[1])
            self._places = 0
        return back

    def ended(self, action: str, seconds: float) -> None:
        """An attempt of this action took so long."""
        now = trio.current_time()
        if seconds > LONG:
            self._brief[action] = now + MEMORY
        else:
            self._brief.setdefault(action, now)

    def close(self) -> None:
        """Nothing more is put here: workers return when they have taken what waits."""
        self._is_closed = True
        self._idle.unpark_all()
