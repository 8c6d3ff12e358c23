"""The demonstration from its first line to its last."""

from __future__ import annotations

import secrets
import signal
import tempfile
import time
from functools import partial
from pathlib import Path

import trio
from rich.console import Console

from taskengine.demo.engine import running_engine
from taskengine.demo.film import place_film
from taskengine.demo.live import running_stream
from taskengine.demo.place import DemoPlace
from taskengine.demo.receiver import running_receiver
from taskengine.demo.report import print_end, print_start
from taskengine.demo.site import running_site
from taskengine.demo.story import DemoFailed, Story
from taskengine.media.tools import Bench
from taskengine.runtime.process import run_process


async def show(data: Path, film: Path | None, *, stay: bool) -> None:
    """Run the demonstration below `data`; with `stay` the engine goes on until a signal.

    Raises DemoFailed, also when a signal ends it before its end.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    shown = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_at_a_signal, nursery.cancel_scope)
        await _show(console, DemoPlace(data), film, stay=stay, shown=shown)
        nursery.cancel_scope.cancel()
    if not shown.is_set():
        raise DemoFailed("the demonstration was ended by a signal")


async def _end_at_a_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


async def _show(
    console: Console, place: DemoPlace, film: Path | None, *, stay: bool, shown: trio.Event
) -> None:
    asset = f"demo-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    with tempfile.TemporaryDirectory(prefix="taskengine-demo-") as scratch:
        bench = Bench(partial(run_process, cwd=Path(scratch)), Path(scratch))
        placed = await place_film(bench, film, place, asset)
        folder = Path(scratch) / "live"
        folder.mkdir()
        async with (
            running_stream(folder) as live,
            running_site(folder, place.output) as site,
            running_receiver() as receiver,
            running_engine(place) as engine,
        ):
            print_start(console, engine, receiver, placed, site.live)
            story = Story(console, bench, place, engine, receiver, asset, placed, live, site)
            await story.tell()
            shown.set()
            if stay:
                await story.leave()
            print_end(console, engine, story.jobs, site.url, stay=stay)
            if stay:
                await trio.sleep_forever()
