"""The tree: which actors run, in which ring, and how they stop.

    watchers         heartbeat, rescuer, pulse, mirror: they end last, or peers would rescue
    └─ finishers     recorder, intake, notifier, couriers, event feed …: what ends is written
       └─ front      the HTTP server: reads are served until the workers are done
          └─ starters   controller, scheduler, gatekeeper, ticker, claimers, workers: they end first

A crash restarts one actor alone. One that crashes more often than BUDGET allows takes the engine
down: the process exits with every cause, its peers rescue its tasks, and it is started anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import trio
from prometheus_client import Counter

from taskengine.actors.event_feed import EventFeed
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.post import Post, close
from taskengine.actors.staff import Children, Parts, Plan, Staff
from taskengine.counters import QueueCounts
from taskengine.runtime.supervisor import Restarts, supervise

LAST_WORDS = 5.0  # seconds for what is left to write and deliver once the workers are done
FAREWELL = 2.0  # seconds to tell the peers; untold they hear it of the witness

# At worst one restart in 12 s for ever, one log line each: bearable. Outages are waited out in
# the store and spend nothing of it.
BUDGET = Restarts(limit=5, window=60.0, pause=0.1)


@dataclass(frozen=True, slots=True)
class Engine:
    """What the rest of the program may know of the running actors."""

    post: Post
    state: InstanceState
    event_feed: EventFeed
    counts: Callable[[], QueueCounts]
    drain: trio.CancelScope  # of the starters; cancelling it hands back what they run


Front = Callable[[Engine], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def no_front(_: Engine) -> AsyncIterator[None]:
    """An engine without an HTTP server."""
    yield


@asynccontextmanager
async def running_engine(
    parts: Parts, plan: Plan, front: Front = no_front
) -> AsyncIterator[Engine]:
    """Run the actors for the length of the block; on leaving it, let them finish.

    Nothing new is claimed then; after `plan.drain` seconds whatever still runs is cancelled and
    handed back.
    """
    given = (plan.name, parts.now(), plan.lease, plan.process)
    state = InstanceState(await parts.patient.join(*given), plan.lease)
    with Post() as post:
        staff = Staff(parts, plan, post, state)
        engine = Engine(post, state, staff.event_feed, staff.counts, state.drain)
        ring = partial(_ring, parts.meters.restarts)
        async with (
            _leaving(parts, state),
            ring(staff.watchers(), lambda: None, 0.0),
            ring(staff.finishers(), partial(close, post.of_finishers()), LAST_WORDS),
            front(engine),
            ring(staff.starters(), partial(close, post.of_starters()), plan.drain, state.drain),
        ):
            yield engine


@asynccontextmanager
async def _ring(
    restarts: Counter,
    children: Children,
    stop: Callable[[], None],
    grace: float,
    scope: trio.CancelScope | None = None,
) -> AsyncIterator[None]:
    """Run children for the length of the block, each supervised; then stop them, and after
    `grace` seconds cancel those that are left."""
    scope = scope or trio.CancelScope()
    with scope:
        async with trio.open_nursery() as nursery:
            for name, child in children.items():
                count = restarts.labels(name).inc
                nursery.start_soon(partial(supervise, child, BUDGET, name=name, restarted=count))
            try:
                yield
            finally:
                stop()
                scope.deadline = trio.current_time() + grace


@asynccontextmanager
async def _leaving(parts: Parts, state: InstanceState) -> AsyncIterator[None]:
    """Tell the peers at the end that this instance is gone, so that none has to rescue it. If it
    falls, what it still holds counts as rescued: one of these attempts may be the reason."""
    fallen = True
    try:
        yield
        fallen = False
    finally:
        with trio.move_on_after(FAREWELL, shield=True):
            await parts.patient.leave(state.instance, parts.now(), fallen=fallen)
            parts.left()
