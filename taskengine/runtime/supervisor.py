"""One-for-one supervision: each child is restarted alone until it crashes too often."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from taskengine.runtime.descriptors import is_lacking

LACK = 1.0  # seconds before a child that found no descriptor is started again

logger = logging.getLogger(__name__)


class CrashedTooOften(Exception):
    """A child used up its restarts; its supervisor falls with it."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """At most `limit` restarts in any `window` seconds, the n-th after `pause * 2**(n-1)`."""

    limit: int = 5
    window: float = 60.0
    pause: float = 0.1


async def supervise(
    child: Callable[[], Awaitable[None]],
    restarts: Restarts = Restarts(),
    *,
    name: str,
    restarted: Callable[[], None] = lambda: None,
) -> None:
    """Run child() until it returns, restarting it when it raises.

    Run one call for each child in a nursery, and the nursery is the supervisor: a crash stays
    inside this task; CrashedTooOften leaves it, so that the nursery cancels the siblings and
    raises to its own supervisor. A lack of descriptors or memory is nobody's crash: it is waited
    out, since the end of the engine would help nobody.
    """
    crashes: deque[float] = deque()
    told = -math.inf
    while True:
        try:
            return await child()
        except Exception as error:
            now = trio.current_time()
            if is_lacking(error):
                if now >= told + restarts.window:
                    told = now
                    logger.warning("%s is started again and again: %r", name, error)
                restarted()
                await trio.sleep(LACK)
                continue
            crashes.append(now)
            while crashes[0] <= now - restarts.window:
                crashes.popleft()
            if len(crashes) > restarts.limit:
                raise CrashedTooOften(name) from error
            logger.exception("%s crashed, restart %d of %d", name, len(crashes), restarts.limit)
            restarted()
            await trio.sleep(restarts.pause * 2 ** (len(crashes) - 1))
