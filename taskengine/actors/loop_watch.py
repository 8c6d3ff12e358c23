"""Loop watch: measures how late the loop is, which all actors and requests share, and names what
holds it up.

An action that computes for seconds without an `await`, or waits by a call that is not trio's, stops
heartbeats and answers. Who stands still cannot tell of it: a thread beside the loop does, while it
lasts, since a lease later the process may be taken for dead.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from types import FrameType

import trio

from taskengine.actors.containment import contained_in
from taskengine.meters import Meters

logger = logging.getLogger(__name__)

INTERVAL = 0.5  # seconds between two measures
LATE = 1.0  # seconds from which on it is worth a line
STANDSTILL = 2.0  # seconds without a turn after which a line says who is at work
TELL = 60.0  # seconds between two lines
SHOWN = 3  # calls of those that hold up the loop, the innermost last


@dataclass(slots=True)
class LoopWatch:
    meters: Meters
    _told: float = -TELL

    async def run(self) -> None:
        with Standstill().watched() as standstill:
            while True:
                due = trio.current_time() + INTERVAL
                await trio.sleep_until(due)
                standstill.turned()
                self._measured(trio.current_time() - due)

    def _measured(self, late: float) -> None:
        self.meters.loop_delay.observe(late)
        now = trio.current_time()
        if late >= LATE and now - self._told >= TELL:
            self._told = now
            logger.warning("the loop was late by %.1f s: this host or process is overloaded", late)


@dataclass(slots=True)
class Standstill:
    """Looks at the loop's thread from a thread of its own, by a real clock."""

    loop: int = field(default_factory=threading.get_ident)  # the thread that makes it
    after: float = STANDSTILL
    _turned: float = field(default_factory=monotonic)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self) -> Iterator[Standstill]:
        """For the length of the block."""
        watching = threading.Thread(target=self._watch, name="loop watch", daemon=True)
        watching.start()
        try:
            yield self
        finally:
            self._over.set()

    def turned(self) -> None:
        """The loop has come round."""
        self._turned = monotonic()

    def _watch(self) -> None:
        """One line for each standstill. Where this thread is late itself, it is the host or the
        whole process that stood still."""
        told, looked = 0.0, monotonic()
        while not self._over.wait(self.after / 4):
            is_late, looked = monotonic() - looked > self.after / 2, monotonic()
            since = self._turned
            if looked - since >= self.after and since != told and not is_late:
                told = since
                logger.warning("the loop stands still: %s", self._at_work())

    def _at_work(self) -> str:
        """What the loop's thread is at."""
        frame = sys._current_frames().get(self.loop)
        name = contained_in(frame) or "no action"
        return f"{name} has held it up for {monotonic() - self._turned:.1f} s, at {_calls(frame)}"


def _calls(frame: FrameType | None) -> str:
    calls = traceback.StackSummary.extract(
        traceback.walk_stack(frame), limit=SHOWN, lookup_lines=False
    )
    return ", ".join(f"{call.filename}:{call.lineno} in {call.name}" for call in reversed(calls))
