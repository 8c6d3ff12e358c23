"""How much is asked of the store at once: less, where it was too heavy for one transaction."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from taskengine.model import TooHeavy

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE = 1.0  # seconds before what is too heavy by itself is tried again


@dataclass(slots=True)
class Portion:
    """It is halved where it is too heavy, down to one, and doubled again when it was not."""

    name: str  # of what is asked for, as the log tells it
    most: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.most

    async def ask(self, what: Callable[[int], Awaitable[T]]) -> T:
        while True:
            try:
                answer = await what(self.size)
            except TooHeavy as error:
                await self._divide(error)
            else:
                self.size = min(2 * self.size, self.most)
                return answer

    async def _divide(self, error: TooHeavy) -> None:
        if self.size == 1:
            logger.error("%s: too heavy for the database, tried again: %s", self.name, error)
            await trio.sleep(PAUSE)
            return
        logger.warning("%s: %d at once are too heavy, halved: %s", self.name, self.size, error)
        self.size //= 2
