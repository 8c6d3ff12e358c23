"""The pulse: how the guards of child processes know that their engine lives (rule 6).

A guard whose engine is killed sees its pipe end without a word; one whose engine is stopped, frozen
or hung sees an open pipe and hears nothing. The pulse follows the life of the trio run and nothing
else: an outage of the database, in which no heartbeat arrives, stops no child.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

import trio

from taskengine.runtime.guard import CUT, LET_GO, STAMP

PART = 5  # pulses in a lease


@dataclass(frozen=True, slots=True)
class Lifeline:
    """A pipe between the engine and one guard: `reading` is handed to the guard."""

    reading: BinaryIO
    holding: BinaryIO

    def let_go(self) -> None:
        """Have the guard stop what still runs."""
        self.send(LET_GO)
        self.holding.close()

    def send(self, stamp: float) -> None:
        if not self.holding.closed:
            with suppress(BlockingIOError, BrokenPipeError):  # it is stopped itself, or is ending
                self.holding.write(STAMP.pack(stamp))


@dataclass(slots=True)
class Pulse:
    """Without a lease, guards watch the ends of their pipes alone. `bonds` are descriptors that all
    guards hold for as long as they live, so that others can see when the last one is gone."""

    lease: float = math.inf  # seconds without a pulse after which guards kill
    bonds: tuple[int, ...] = ()
    _lifelines: list[Lifeline] = field(default_factory=list, init=False)

    async def run(self) -> None:
        """Until cancelled. The stamps tell a guard that was held up from an engine that was."""
        while True:
            stamp = time.clock_gettime(time.CLOCK_BOOTTIME)
            for lifeline in self._lifelines:
                lifeline.send(stamp)
            await trio.sleep(self.lease / PART)

    def cut(self) -> None:
        """Kill all children, at once: others may run their tasks already."""
        for lifeline in self._lifelines:
            lifeline.send(CUT)

    @contextmanager
    def lifeline(self) -> Iterator[Lifeline]:
        """A pulsed pipe for one guard, which stops its child at the latest when the block ends."""
        reading, holding = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(holding, False)
        with os.fdopen(reading, "rb") as near, os.fdopen(holding, "wb", buffering=0) as far:
            lifeline = Lifeline(near, far)
            self._lifelines.append(lifeline)
            try:
                yield lifeline
            finally:
                self._lifelines.remove(lifeline)
                lifeline.let_go()
