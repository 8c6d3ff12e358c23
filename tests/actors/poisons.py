"""Actions that raise and return what nobody expects, and leave behind what they must not."""

import asyncio
import threading

import trio

from taskengine.model import FenceMoved, PermanentFailure
from taskengine.runtime.process import PulseMissed


class Unspeakable(Exception):
    def __str__(self):
        raise SystemExit(4)

    __repr__ = __str__


class Mute(Exception):
    def __str__(self):
        return 5


class Liar(Exception):
    @property
    def __class__(self):
        raise RuntimeError("whose class is that?")


class Nameless(type):
    @property
    def __name__(cls):
        raise RuntimeError("no name")


class WithoutName(Exception, metaclass=Nameless):
    pass


class Noted(Exception):
    @property
    def __notes__(self):
        raise KeyboardInterrupt

    @property
    def args(self):
        raise RuntimeError("no arguments")


class OddGroup(ExceptionGroup):
    @property
    def exceptions(self):
        raise RuntimeError("no members")

    def split(self, *_):
        raise SystemExit(5)

    derive = subgroup = split


def nested(levels):
    error = ValueError("deep")
    for _ in range(levels):
        error = ExceptionGroup("outer", [error])
    return error


class OddText(str):
    def __str__(self):
        return self

    def replace(self, *_):
        raise SystemExit(6)

    def __len__(self):
        raise SystemExit(6)


class Telling(Exception):
    def __str__(self):
        return OddText("odd text")


class OddObject(dict):
    def items(self):
        raise SystemExit(7)

    def __bool__(self):
        raise SystemExit(7)


class TwoFaced(dict):
    """It is asked once for JSON; after that it is something else."""

    asked = 0

    def items(self):
        type(self).asked += 1
        return {"x": 1}.items() if type(self).asked == 1 else {"x": object()}.items()


CYCLE = {}
CYCLE["self"] = CYCLE

LAUGHS = ["ha"]
for _ in range(6):
    LAUGHS = [LAUGHS] * 1_000

RAISED = {
    "SystemExit: 3": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "BaseException: odd": lambda: BaseException("odd"),
    "CancelledError": asyncio.CancelledError,
    "RuntimeError: coroutine raised StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "RecursionError: deep": lambda: RecursionError("deep"),
    "MemoryError": MemoryError,
    "Unspeakable: its text cannot be told (SystemExit)": Unspeakable,
    "Mute: its text cannot be told (TypeError)": Mute,
    "Liar: x": lambda: Liar("x"),
    "WithoutName": WithoutName,
    "Noted: x": lambda: Noted("x"),
    "Telling: odd text": Telling,
    "ValueError: 1": lambda: OddGroup("group", [ValueError(1)]),
    "ExceptionGroup": lambda: nested(50_000),
    "ValueError: deep": lambda: nested(100),
    "SystemExit: 1; KeyboardInterrupt; ValueError: x": lambda: BaseExceptionGroup(
        "group", [SystemExit(1), KeyboardInterrupt(), ValueError("x")]
    ),
    "ValueError: 0; ValueError: 1; ValueError: 2; and 97 more": lambda: ExceptionGroup(
        "group", [ValueError(number) for number in range(100)]
    ),
    "timed out": trio.TooSlowError,
    "final": lambda: PermanentFailure("final"),
}


def raising(error):
    async def action(context):
        raise error()

    return action


async def in_a_nursery(context):
    async def end():
        raise SystemExit(2)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end)
        nursery.start_soon(trio.sleep_forever)


async def smuggles(context):
    """A cancellation that comes from elsewhere."""
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            kept = cancelled
    raise kept


async def leaves_a_scope_open(context):
    trio.CancelScope().__enter__()


async def leaves_a_nursery_open(context):
    nursery = await trio.open_nursery().__aenter__()
    nursery.start_soon(trio.sleep_forever)


async def starts_in_the_engine(context):
    async def end():
        await trio.lowlevel.checkpoint()
        raise SystemExit(8)

    trio.lowlevel.current_task().parent_nursery.start_soon(end)


async def cancels_its_parent(context):
    trio.lowlevel.current_task().parent_nursery.cancel_scope.cancel()
    await trio.sleep(1)


async def yields(context):
    yield {}


def plain(context):
    return {}


async def tells_no_severity(context):
    await context.write("loud", "x")


async def tells_no_text(context):
    await context.info(5)


async def reports_no_number(context):
    await context.progress("half")


def returning(result):
    async def action(context):
        return result

    return action


WRONG = {
    "in_a_nursery": (in_a_nursery, "SystemExit: 2"),
    "smuggles": (smuggles, "let out a trio.Cancelled"),
    "leaves_a_scope_open": (leaves_a_scope_open, "Cancel scope stack corrupted"),
    "leaves_a_nursery_open": (leaves_a_nursery_open, "left a nursery open"),
    "starts_in_the_engine": (starts_in_the_engine, "SystemExit: 8"),
    "cancels_its_parent": (cancels_its_parent, "let out a trio.Cancelled"),
    "yields": (yields, "expected an async function"),
    "plain": (plain, "expected an async function"),
    "tells_no_severity": (tells_no_severity, "ValueError: 'loud' is not a valid Severity"),
    "tells_no_text": (tells_no_text, "TypeError"),
    "reports_no_number": (reports_no_number, "TypeError"),
    "number": (returning(5), "no JSON object"),
    "falsy": (returning([]), "no JSON object"),
    "cycle": (returning(CYCLE), "no JSON object"),
    "itself_a_million_times": (returning({"x": LAUGHS}), "no JSON object of"),
    "endless": (returning({"x": {"y": iter(int, 1)}}), "a value of the type callable_iterator"),
    "unserializable": (returning({"x": threading.Lock()}), "no JSON object"),
    "nan": (returning({"x": float("nan")}), "no JSON object"),
    "long_number": (returning({"x": 10**5000}), "no JSON object"),
    "tuple_key": (returning({(1, 2): 3}), "no JSON object"),
    "generator": (returning(one for one in "abc"), "no JSON object"),
    "large": (returning({"x": "x" * 2_000_000}), "no JSON object of"),
}

OUTDATED = {"fence": lambda: FenceMoved("moved"), "pulse": PulseMissed}
