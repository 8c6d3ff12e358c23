"""The life of an engine: its actors run in three rings, of which the inner ones stop first.

    watchers            tell the peers that it lives: they end last, or peers would rescue
    └─ finishers        write and send what ends
       └─ server        the HTTP server: reads are served until the workers are done
          └─ starters   start jobs and tasks, and run them: they end first

`actors/tree.py` has the table of actors.

A crash restarts one actor alone. One that crashes more often than BUDGET allows takes the engine
down: the process exits with every cause, its peers rescue its tasks, and it is started anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import trio

from taskengine.actors.event_feed import EventFeed
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.mailboxes import Mailboxes
from taskengine.actors.tree import (
    Ring,
    children_of,
    close_ring,
    make_actors,
    open_mailboxes,
)
from taskengine.actors.wiring import InstanceOptions, Resources, Wiring
from taskengine.counters import QueueCounts
from taskengine.runtime.supervisor import Restarts, supervise

FINISHERS_GRACE = 5.0  # seconds for what is left to write and deliver once the workers are done
LEAVING_GRACE = 2.0  # seconds to tell the peers; untold they hear it of the witness

# At worst one restart in 12 s for ever, one log line each: bearable. Outages are waited out in
# the store and spend nothing of it.
BUDGET = Restarts(limit=5, window=60.0, pause=0.1)


@dataclass(frozen=True, slots=True)
class Engine:
    """What the rest of the program may know of the running actors."""

    mailboxes: Mailboxes
    state: InstanceState
    event_feed: EventFeed
    counts: Callable[[], QueueCounts]
    drain: trio.CancelScope  # of the starters; cancelling it hands back what they run


HttpServer = Callable[[Engine], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def no_server(_: Engine) -> AsyncIterator[None]:
    """An engine without an HTTP server."""
    yield


@asynccontextmanager
async def running_engine(
    resources: Resources, options: InstanceOptions, server: HttpServer = no_server
) -> AsyncIterator[Engine]:
    """Run the actors for the length of the block; on leaving it, let them finish.

    Nothing new is claimed then; after `options.drain` seconds whatever still runs is cancelled and
    handed back.
    """
    given = (options.name, resources.now(), options.lease, options.process)
    state = InstanceState(await resources.patient.join(*given), options.lease)
    with open_mailboxes() as mailboxes:
        wiring = Wiring(resources, options, state, mailboxes)
        make_actors(wiring)
        engine = Engine(mailboxes, state, wiring.event_feed, wiring.counts, state.drain)
        ring = partial(_ring, wiring)
        async with (
            _leaving(resources, state),
            ring(Ring.WATCHERS, 0.0),
            ring(Ring.FINISHERS, FINISHERS_GRACE),
            server(engine),
            ring(Ring.STARTERS, options.drain, state.drain),
        ):
            yield engine


@asynccontextmanager
async def _ring(
    wiring: Wiring, ring: Ring, grace: float, scope: trio.CancelScope | None = None
) -> AsyncIterator[None]:
    """Run the actors of a ring for the length of the block, each supervised; then close their
    mailboxes, and after `grace` seconds cancel those that are left."""
    scope = scope or trio.CancelScope()
    with scope:
        async with trio.open_nursery() as nursery:
            for name, child in children_of(ring, wiring).items():
                count = wiring.resources.meters.restarts.labels(name).inc
                nursery.start_soon(partial(supervise, child, BUDGET, name=name, restarted=count))
            try:
                yield
            finally:
                close_ring(ring, wiring.mailboxes)
                scope.deadline = trio.current_time() + grace


@asynccontextmanager
async def _leaving(resources: Resources, state: InstanceState) -> AsyncIterator[None]:
    """Tell the peers at the end that this instance is gone, so that none has to rescue it. If it
    falls, what it still holds counts as rescued: one of these attempts may be the reason."""
    fallen = True
    try:
        yield
        fallen = False
    finally:
        with trio.move_on_after(LEAVING_GRACE, shield=True):
            await resources.patient.leave(state.instance, resources.now(), fallen=fallen)
            resources.left()
