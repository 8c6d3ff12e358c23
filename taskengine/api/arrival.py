"""A request's body on its way: it is taken from the server only once somebody wants it, so that a
request that is refused before costs no memory, and is not asked for its body."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import ExitStack
from typing import Any, Final, cast

import trio
from quart import Request
from quart_trio.wrappers.request import TrioBody
from werkzeug.exceptions import RequestEntityTooLarge

ENDS: Final = "taskengine.ends"  # in a request's scope


class ArrivingBody(TrioBody):
    """To await it asks for it."""

    def __init__(self, expected: int | None, limit: int) -> None:
        super().__init__(expected, limit)
        self._wanted = trio.Event()
        self._is_discarded = False

    @property
    def is_wanted(self) -> bool:
        return self._wanted.is_set()

    @property
    def is_complete(self) -> bool:
        return self._complete.is_set()

    @property
    def is_too_large(self) -> bool:
        return isinstance(self._must_raise, RequestEntityTooLarge)

    async def wanted(self) -> None:
        """Wait until somebody asks for it."""
        await self._wanted.wait()

    def narrow(self, limit: int) -> None:
        """Take no more than that."""
        self._max_content_length = limit

    def discard(self) -> None:
        """Let it come, and keep nothing."""
        self._is_discarded = True
        self.clear()
        self._wanted.set()

    async def end(self) -> None:
        """Wait until all of it has come."""
        await self._complete.wait()

    def append(self, data: bytes) -> None:
        if not self._is_discarded:
            super().append(data)

    def __await__(self) -> Generator[Any, None, Any]:
        if self._must_raise is None:
            self._wanted.set()
        return super().__await__()


def ends_of(request: Request) -> ExitStack:
    """What is to be closed when the request is over, however it ends; as its Connection holds it.
    A generator would not do: one that nobody began to read has no end."""
    return cast(Mapping[str, ExitStack], request.scope)[ENDS]


def arriving(request: Request) -> ArrivingBody:
    """The request's body, as its Connection has made it."""
    body = request.body
    assert isinstance(body, ArrivingBody)
    return body
