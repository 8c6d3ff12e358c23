"""The engine's side of its witness: start one, keep one, send it away at the end."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

logger = logging.getLogger(__name__)

START_DEADLINE = 120.0  # seconds that a witness tries to reach a database that is away
EMBEDDED_PATIENCE = 15.0  # seconds; without an owner it does not come back
FAREWELL = 2.0  # seconds for a witness to end that was sent away
RESTART_PAUSE = 0.5  # seconds before another one is started
LONGEST_PAUSE = 30.0
LIFE = 60.0  # seconds that one has to live, or the next is started later
PROGRAM = Path(__file__).with_name("testimony.py")


@dataclass(slots=True)
class Witness:
    """Guards of children hold the `bond`: a witness waits for their ends too."""

    bond: int
    _watched: int  # the end of the bond that witnesses read, one after the other
    _told: bytes = field(repr=False)  # there are secrets in it
    _needed: bool = field(default=True, init=False)
    _gone: trio.Event = field(default_factory=trio.Event, init=False)

    def send_away(self) -> None:
        """There is nothing to tell: the engine has left in good order."""
        self._needed = False
        os.write(self.bond, b".")

    async def gone(self) -> None:
        """Wait for the end of one that was sent away; it shares locks with the engine."""
        with trio.move_on_after(0 if self._needed else FAREWELL, shield=True):
            await self._gone.wait()

    async def keep(self) -> None:
        """Have a witness until it is sent away. Without one peers wait for a lease."""
        pause = RESTART_PAUSE
        while self._needed:
            since = trio.current_time()
            try:
                await self._run()
            except OSError as error:
                logger.warning("the engine's witness cannot be started: %s", error)
            if self._needed:
                pause = (
                    RESTART_PAUSE
                    if trio.current_time() > since + LIFE
                    else min(2 * pause, LONGEST_PAUSE)
                )
                logger.warning("there is no witness of the engine, one is started in %g s", pause)
                await trio.sleep(pause)
        self._gone.set()

    async def _run(self) -> None:
        """Start a witness and wait until it is gone; it outlives this process."""
        process = await trio.lowlevel.open_process(
            [sys.executable, "-I", "-S", str(PROGRAM), str(os.getpid()), str(self._watched)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # whoever reads what the engine says waits for its end
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if "TASKENGINE" not in name},
            pass_fds=[self._watched],
            start_new_session=True,
        )
        assert process.stdin is not None
        with suppress(trio.BrokenResourceError):
            await process.stdin.send_all(self._told)
        await process.stdin.aclose()
        await process.wait()


@asynccontextmanager
async def witnessed(database_url: str, testimony: str, lock: Path | None) -> AsyncIterator[Witness]:
    """Have a witness for the length of the block, and beyond it unless it is sent away: then it
    watches until this process has ended, and executes the statement `testimony`. Where the
    database is an embedded one, it shares the lock that keeps that running."""
    told = {
        "database_url": database_url,
        "statement": testimony,
        "patience": START_DEADLINE if lock is None else EMBEDDED_PATIENCE,
        "lock": None if lock is None else str(lock),
        "path": [folder for folder in sys.path if folder],
    }
    watched, bond = os.pipe()  # never closed: the end of the process does it
    witness = Witness(bond, watched, json.dumps(told).encode())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(witness.keep)
        try:
            yield witness
        finally:
            await witness.gone()
            nursery.cancel_scope.cancel()
