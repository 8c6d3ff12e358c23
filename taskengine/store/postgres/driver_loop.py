"""Where the driver runs: an event loop of asyncio, apart from the loop of trio that all share.

A statement that is awaited by way of trio-asyncio costs 300 us of CPU, most of it for passing each
callback from one loop to the other. In a loop of its own, in a thread of its own, it costs 90: a
transaction crosses between the two once, however many statements it has.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

import trio
import uvloop
from trio_asyncio import aio_as_trio

from taskengine.store.postgres.driver_errors import AWAY_ERRORS

logger = logging.getLogger(__name__)

T = TypeVar("T")
Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]


class DriverLoopEnded(Exception):
    """The loop has ended by itself, which nothing but a fault of it does: no statement can be
    asked any more. It is no outage, so that the process ends for it, and is started anew."""


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
    """One in a thread of its own. `handler` hears, in trio's thread, of what fails in callbacks."""

    def __init__(self, handler: Handler) -> None:
        self._trio = trio.lowlevel.current_trio_token()
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._loop = self._runner.get_loop()
        self._loop.set_exception_handler(
            lambda loop, context: self._trio.run_sync_soon(handler, loop, context)
        )
        self._closed = asyncio.Event()
        self._calls: set[_Call] = set()
        self._fault: BaseException | None = None
        # A daemon: nothing in it keeps a process that is to end from ending.
        self._thread = threading.Thread(target=self._serve, name="driver", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with self._runner as runner:  # which cancels what is left
            try:
                runner.run(self._closed.wait())
            except BaseException as fault:
                logger.critical("the loop of the driver has ended", exc_info=fault)
                self._fault = fault
                self._trio.run_sync_soon(self._release)

    def _release(self) -> None:
        for call in self._calls:
            call.over.set()

    async def call(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        call = _Call(function, arguments, self._trio)
        self._calls.add(call)
        try:
            await self._run(call)
        finally:
            self._calls.discard(call)
        answer: T = call.task.result()
        return answer

    async def _run(self, call: _Call) -> None:
        if self._fault is None:
            self.soon(call.begin)
            try:
                await call.over.wait()
            except trio.Cancelled:
                self.soon(call.cancel)
                with trio.CancelScope(shield=True):
                    await call.over.wait()
                raise
        if self._fault is not None:
            raise DriverLoopEnded(repr(self._fault)) from self._fault

    def soon(self, function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(function)

    def close(self) -> None:
        """End it, when what was dropped in it has said its last words."""
        self.soon(self._closed.set)
        self._thread.join()


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
        self._context = contextvars.copy_context()  # what lines of the log say of a request

    def begin(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._run(), context=self._context)
        self.task.add_done_callback(self._end)

    async def _run(self) -> Any:
        return await self._function(*self._arguments)

    def cancel(self) -> None:
        self.task.cancel()

    def _end(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # looked at: where the caller has gone, it is nobody's any more
        self._trio.run_sync_soon(self.over.set)


@asynccontextmanager
async def open_thread_loop(handler: Handler) -> AsyncIterator[ThreadLoop]:
    """For the length of the block."""
    loop = ThreadLoop(handler)
    try:
        yield loop
    finally:
        loop.close()


@asynccontextmanager
async def open_driver_loop(failed: Callable[[], None]) -> AsyncIterator[DriverLoop]:
    """Where transactions run; beside the loop of trio-asyncio, where listeners are. `failed` counts
    what fails in callbacks of both."""
    handler = _tolerant(failed)
    await SharedLoop().call(_tolerate_callbacks, handler)
    async with open_thread_loop(handler) as loop:
        yield loop


def _tolerant(failed: Callable[[], None]) -> Handler:
    """An exception in an asyncio callback would end the loop and the engine with it (rule 23)."""

    def log(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        failed()
        error = context.get("exception")  # a connection that was dropped has last words too
        level = logging.DEBUG if isinstance(error, AWAY_ERRORS) else logging.ERROR
        logger.log(level, "asyncio: %s", context.get("message"), exc_info=error)

    return log


async def _tolerate_callbacks(handler: Handler) -> None:
    asyncio.get_running_loop().set_exception_handler(handler)
