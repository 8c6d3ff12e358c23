"""Where the driver runs: an event loop of asyncio, apart from the loop of trio that all share.

A statement that is awaited by way of trio-asyncio costs 300 us of CPU, most of it for passing each
callback from one loop to the other. In a loop of its own, in a thread of its own, it costs 130: a
transaction crosses between the two once, however many statements it has.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import trio
from trio_asyncio import aio_as_trio

T = TypeVar("T")
Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]


class DriverLoop(Protocol):
    """A loop of asyncio, seen from trio."""

    async def call(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """What the function gives there. A cancelled caller has it cancelled, and waits for its
        end."""
        ...

    def soon(self, function: Callable[[], object]) -> None:
        """Have a function called there, without waiting for it."""
        ...


class SharedLoop:
    """The one of trio-asyncio, in trio's thread: where transactions are to be stopped from trio."""

    async def call(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        answer: T = await aio_as_trio(function)(*arguments)
        return answer

    def soon(self, function: Callable[[], object]) -> None:
        function()


class ThreadLoop:
    """One in a thread of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._trio = trio.lowlevel.current_trio_token()

    async def call(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        call = _Call(function, arguments, self._trio)
        self.soon(call.begin)
        try:
            await call.over.wait()
        except trio.Cancelled:
            self.soon(call.cancel)
            with trio.CancelScope(shield=True):
                await call.over.wait()
            raise
        answer: T = call.task.result()
        return answer

    def soon(self, function: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(function)


class _Call:
    """One of a function. It begins, ends and is cancelled in the loop's thread."""

    task: asyncio.Task[Any]

    def __init__(
        self,
        function: Callable[..., Awaitable[Any]],
        arguments: tuple[object, ...],
        token: trio.lowlevel.TrioToken,
    ) -> None:
        self.over = trio.Event()
        self._function, self._arguments, self._trio = function, arguments, token

    def begin(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._run())
        self.task.add_done_callback(lambda _: self._trio.run_sync_soon(self.over.set))

    async def _run(self) -> Any:
        return await self._function(*self._arguments)

    def cancel(self) -> None:
        self.task.cancel()


@asynccontextmanager
async def open_thread_loop(handler: Handler) -> AsyncIterator[ThreadLoop]:
    """For the length of the block. `handler` hears, in that thread, of what fails in callbacks."""
    loop = asyncio.SelectorEventLoop()
    loop.set_exception_handler(handler)
    # A daemon: nothing in it keeps a process that is to end from ending.
    thread = threading.Thread(target=loop.run_forever, name="driver", daemon=True)
    thread.start()
    try:
        yield ThreadLoop(loop)
    finally:
        # A turn later: connections that were dropped in this one close their sockets.
        loop.call_soon_threadsafe(loop.call_soon, loop.stop)
        thread.join()
        loop.close()
