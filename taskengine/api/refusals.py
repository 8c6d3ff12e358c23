"""Refused credentials, as the engine's log and its metrics tell of them: never with the key."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from taskengine.api.request_log import remote_address

logger = logging.getLogger(__name__)

LOG_PAUSE = 60.0  # seconds between two lines about an address
MAX_LINES = 20  # of all addresses in such a time
MAX_ADDRESSES = 1000  # that are remembered


@dataclass(slots=True)
class Refusals:
    """A line for each address and minute, which tells how many it had no line for."""

    clock: Callable[[], float] = trio.current_time
    _told: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)  # when, since
    _lines: list[float] = field(default_factory=list)  # when the last ones were written

    def tell(self, client: str) -> None:
        """The key that came with this name is not that client's."""
        address, now = remote_address(), self.clock()
        told_at, since = self._told.pop(address, (None, 0))
        self._lines = [at for at in self._lines if now - at < LOG_PAUSE]
        if (told_at is not None and now - told_at < LOG_PAUSE) or len(self._lines) >= MAX_LINES:
            self._told[address] = (now if told_at is None else told_at, since + 1)
        else:
            self._told[address] = (now, 0)
            self._lines.append(now)
            more = f"; {since} more from there since the last line" if since else ""
            told = "wrong api-key or no such client: %.100r from %s%s"
            logger.warning(told, client, address, more)
        while len(self._told) > MAX_ADDRESSES:
            self._told.popitem(last=False)
