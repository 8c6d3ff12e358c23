"""Worker processes for what takes long to compute: beside them the loop goes on.

A thread would not do. Parsing a large document is one call into C that holds the interpreter's
lock, and walking one lets the loop run for a moment every few milliseconds. A process has its own
lock and its own memory; it can be ended at a time limit whatever it is at.

A worker is started when there is work for it, and kept for more of it. It inherits no environment
and no descriptor but its pipes; it ends when they close or bring nothing for a while, at the latest
at its time limit.
"""

from __future__ import annotations

import gc
import os
import pickle
import resource
import select
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, TypeVar

import trio

T = TypeVar("T")

WORKERS = 2  # at most; each takes some 40 MB
TIME_LIMIT = 10  # seconds of one call
MEMORY_LIMIT = 1 << 30  # bytes of address space
FATTEST = 200 << 10  # KiB of memory used at once, after which a worker is replaced
REST = 20  # seconds without a call after which a worker ends; it is given none in the last half
NICENESS = 5  # the loop goes first
LENGTH = struct.Struct("!Q")  # goes before each message
START = "import sys; sys.path[:] = {path!r}; from taskengine.runtime.aside import main; main()"


class WorkerEnded(Exception):
    """The worker ended during the call: it took too long, or too much memory."""

    def __init__(self) -> None:
        super().__init__("it takes too long, or too much memory")


class Aside(Protocol):
    """How to call a function without holding up the loop. Arguments and answers are pickled."""

    def __call__(self, function: Callable[..., T], *args: Any) -> Awaitable[T]: ...


async def at_once(function: Callable[..., T], *args: Any) -> T:
    """For tests, and for whoever has no workers: on the loop."""
    await trio.lowlevel.checkpoint()
    return function(*args)


@asynccontextmanager
async def open_workers(
    number: int = WORKERS, time_limit: float = TIME_LIMIT
) -> AsyncIterator[Aside]:
    """Workers for the length of the block."""
    workers = Workers(trio.CapacityLimiter(number), time_limit)
    try:
        yield workers.call
    finally:
        with trio.CancelScope(shield=True):
            for worker in workers.idle:
                await worker.end()


@dataclass(slots=True)
class Workers:
    limiter: trio.CapacityLimiter
    time_limit: float
    idle: list[_Worker] = field(default_factory=list)

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Raises what the function raises, and WorkerEnded."""
        message = pickle.dumps((function, args, self.time_limit))
        async with self.limiter:
            worker = await self._worker()
            try:
                answer = await worker.ask(message)
            except BaseException:  # cancelled, too: nobody knows what it is at
                with trio.CancelScope(shield=True):
                    await worker.end()
                raise
            if answer.fat:
                await worker.end()
            else:
                worker.idle_since = trio.current_time()
                self.idle.append(worker)
        if isinstance(answer.value, Exception):
            raise answer.value
        value: T = answer.value
        return value

    async def _worker(self) -> _Worker:
        """One that is not about to end."""
        while self.idle:
            worker = self.idle.pop()
            if trio.current_time() - worker.idle_since < REST / 2:
                return worker
            with trio.CancelScope(shield=True):
                await worker.end()
        return await _Worker.start()


@dataclass(frozen=True, slots=True)
class _Answer:
    """`value` is an Exception if the function raised it."""

    value: Any
    fat: bool


@dataclass(slots=True)
class _Worker:
    process: trio.Process
    idle_since: float = 0.0

    @classmethod
    async def start(cls) -> _Worker:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-I", "-c", START.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            start_new_session=True,  # a Ctrl-C is for the engine
        )
        return cls(process)

    async def ask(self, message: bytes) -> _Answer:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            await stdin.send_all(LENGTH.pack(len(message)) + message)
            (length,) = LENGTH.unpack(await _receive(stdout, LENGTH.size))
            answer = pickle.loads(await _receive(stdout, length))
        except trio.BrokenResourceError:
            raise WorkerEnded from None
        assert isinstance(answer, _Answer)
        return answer

    async def end(self) -> None:
        self.process.kill()
        await self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            await stream.aclose()


async def _receive(stream: trio.abc.ReceiveStream, length: int) -> bytearray:
    received = bytearray()
    while len(received) < length:
        chunk = await stream.receive_some(length - len(received))
        if not chunk:
            raise trio.BrokenResourceError
        received += chunk
    return received


# In the worker


def main() -> None:
    """Answer calls until the pipe closes."""
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not answer
    os.nice(NICENESS)
    gc.disable()  # it would look at half a million values again and again
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    while select.select([calls], [], [], REST)[0] and (message := _message(calls)):
        _serve(message, answers)


def _message(calls: BinaryIO) -> bytes:
    """The next one; b"" where the engine was killed, perhaps while it wrote."""
    head = calls.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return b""
    (length,) = LENGTH.unpack(head)
    message = calls.read(length)
    return message if len(message) == length else b""


def _serve(message: bytes, answers: BinaryIO) -> None:
    function, args, time_limit = pickle.loads(message)
    signal.setitimer(signal.ITIMER_REAL, time_limit)  # ends the process, even in C
    value = _outcome(function, args)
    del args
    answer = pickle.dumps(_Answer(value, _peak() > FATTEST))
    answers.write(LENGTH.pack(len(answer)) + answer)
    answers.flush()
    signal.setitimer(signal.ITIMER_REAL, 0)


def _peak() -> int:
    """The most memory that this process ever had, in KiB. Not by getrusage(): that counts what the
    engine had as it forked."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def _outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return function(*args)
    except MemoryError:
        os._exit(1)
    except Exception as error:
        return error
