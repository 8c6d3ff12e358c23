"""How many rows are asked of the store at once: fewer after a transaction was too heavy."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from taskengine.model import TooHeavy

logger = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_PAUSE = 1.0  # seconds before a single row that is too heavy is tried again


@dataclass(slots=True)
class AdaptiveLimit:
    """A limit that is halved when a request was too heavy, down to 1, and doubled when not."""

    name: str  # of the request, for the log
    most: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.most

    async def ask(self, request: Callable[[int], Awaitable[T]]) -> T:
        """The answer to a request of `size` rows, repeated with fewer while it is too heavy."""
        while True:
            try:
                answer = await request(self.size)
            except TooHeavy as error:
                await self._divide(error)
            else:
                self.size = min(2 * self.size, self.most)
                return answer

    async def _divide(self, error: TooHeavy) -> None:
        if self.size == 1:
            logger.error("%s: too heavy for the database, tried again: %s", self.name, error)
            await trio.sleep(RETRY_PAUSE)
            return
        logger.warning("%s: %d at once are too heavy, halved: %s", self.name, self.size, error)
        self.size //= 2
