"""How an engine is told to stop: by SIGTERM or SIGINT, and once more by those in a hurry.

While it starts, too: then it gives up what it has opened, and ends as well.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from taskengine.runtime.signals import HEEDED, UNHEEDED, release_signals

logger = logging.getLogger(__name__)

OVERTIME = 15.0  # seconds after the drain, for threads that cannot be cancelled
ECHO = 1.0  # seconds; a terminal and a service manager may both tell of the same stop


@dataclass(slots=True)
class Shutdown:
    """Where the engine stands in its stopping.

    From the first signal on `/readyz` fails and nothing is started. For `notice` seconds
    submissions are still taken, so that proxies can notice before a request is refused.
    """

    notice: float = 0.0
    begun: trio.Event = field(default_factory=trio.Event, init=False)
    hurried: trio.Event = field(default_factory=trio.Event, init=False)
    start: trio.CancelScope = field(default_factory=trio.CancelScope, init=False)
    is_up: bool = field(default=False, init=False)  # whether the start is over
    _since: float = field(default=math.inf, init=False)

    def tell(self) -> None:
        """A signal to stop has come; a second one is an order to hurry."""
        if not self.begun.is_set():
            self._since = trio.current_time()
            self.begun.set()
            if not self.is_up:
                self.start.cancel()
        elif trio.current_time() >= self._since + ECHO:
            self.hurried.set()

    @property
    def leaving(self) -> bool:
        return self.begun.is_set()

    @property
    def refusing(self) -> bool:
        """Whether submissions are refused."""
        return self.hurried.is_set() or trio.current_time() >= self._since + self.notice

    async def notice_given(self) -> None:
        """Wait until the notice is over; at once if nobody told the engine to stop."""
        if self.leaving:
            with trio.move_on_at(self._since + self.notice):
                await self.hurried.wait()


async def follow_signals(
    shutdown: Shutdown,
    reload: Callable[[], None],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """SIGTERM and SIGINT stop the engine; SIGHUP reloads the workflow files."""
    with trio.open_signal_receiver(*HEEDED, *UNHEEDED) as signals:
        release_signals()
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP:
                reload()
            elif number in UNHEEDED:
                logger.info("%s means nothing here", signal.Signals(number).name)
            else:
                shutdown.tell()


def watch_over_the_end(seconds: float) -> None:
    """End the process if it does not end by itself."""

    def end() -> None:
        logger.critical("not ended %g s after the stop, killed", seconds)
        os._exit(70)

    watchdog = threading.Timer(seconds, end)
    watchdog.daemon = True
    watchdog.start()
