"""The watchdog over an engine's end (rule 23), by virtual times."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
import trio

from taskengine import main
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.wiring import InstanceOptions
from taskengine.runtime.shutdown import OVERTIME, Shutdown

DRAIN = 30.0


@pytest.fixture
def ended(monkeypatch):
    """When the process would have been ended, in the order in which that was decided."""
    times = []
    monkeypatch.setattr(
        main, "watch_over_the_end", lambda seconds: times.append(trio.current_time() + seconds)
    )
    return times


@asynccontextmanager
async def stuck_engine(*_):
    """One that drains for longer than it may; only a hurry ends its drain."""
    drain = trio.CancelScope()
    yield SimpleNamespace(drain=drain, state=InstanceState())
    with drain:
        await trio.sleep(DRAIN + 100)


@asynccontextmanager
async def broken_engine(*_):
    """One whose actors crash too often, 50 s after its start."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(crash)
        yield SimpleNamespace(drain=trio.CancelScope())


async def crash():
    await trio.sleep(50)
    raise ZeroDivisionError


async def run(monkeypatch, signals, shutdown, engine=stuck_engine):
    async def tell():
        for when in signals:
            await trio.sleep_until(when)
            shutdown.tell()

    monkeypatch.setattr(main, "running_engine", engine)
    options = InstanceOptions("stuck", {}, DRAIN, lease=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        await main.run_until_told(None, options, None, shutdown)


@pytest.mark.parametrize(("notice", "grace"), [(0.0, DRAIN), (DRAIN + 5, DRAIN + 5)])
async def test_the_process_ends_15_s_after_the_drain_whatever_hangs(
    monkeypatch, autojump_clock, ended, notice, grace
):
    await run(monkeypatch, [100], Shutdown(notice))
    assert ended == [100 + grace + 15]
    assert OVERTIME == 15


async def test_the_process_ends_15_s_after_an_order_to_hurry(monkeypatch, autojump_clock, ended):
    await run(monkeypatch, [100, 110], Shutdown())
    assert ended == [145, 125]
    assert trio.current_time() < 111


async def test_a_crash_is_an_end_too(monkeypatch, autojump_clock, ended):
    with pytest.raises(ExceptionGroup):
        await run(monkeypatch, [], Shutdown(), broken_engine)
    assert ended == [50 + DRAIN + 15]
