"""The composition root: the one module that chooses implementations and puts the parts together.

What `serve` opens first is closed last; there is no other shutdown code. The actors, and the order
in which they stop, are in engine.py.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from importlib.metadata import version

import trio
import trio_asyncio

from taskengine.actions import find_actions
from taskengine.actors.facilities import Facilities
from taskengine.actors.scratch import scratch_of_instance
from taskengine.actors.staff import Parts, Plan
from taskengine.api.limits import Limits
from taskengine.api.services import Services
from taskengine.api_keys import hash_key, opens
from taskengine.configuration import Configuration
from taskengine.counters import Counters
from taskengine.counters.redis import open_redis
from taskengine.embedded.postgres import embedded_postgres, has_database
from taskengine.embedded.valkey import embedded_valkey
from taskengine.engine import Engine, Front, running_engine
from taskengine.front import http_front
from taskengine.jobs.submission import Reader
from taskengine.lending import facilities_of
from taskengine.meters import Meters
from taskengine.model import Client, Misconfigured, StoreUnavailable
from taskengine.outbound import allowed, open_outbound
from taskengine.runtime.clock import MAX_ROUND_TRIP, EngineClock
from taskengine.runtime.descriptors import raise_limit
from taskengine.runtime.folders import make_data_folder
from taskengine.runtime.shutdown import (
    OVERTIME,
    Shutdown,
    follow_signals,
    watch_over_the_end,
)
from taskengine.storage.roots import warn_of_common_roots
from taskengine.store.migrate import missing, wait_and_upgrade, wait_for
from taskengine.store.postgres import PostgresStore, open_postgres
from taskengine.workflows.library import CurrentLibrary

logger = logging.getLogger(__name__)

CONNECTIONS = 12
SHORT_LEASE = 3.0  # seconds; below, beats and readings, a second apart, come too close to it
PATIENCE = 60.0  # seconds to wait for the database at the start
AGAIN = 1.0  # seconds before it is tried again
SAMPLES = 10  # of the database's time that may be too slow at the start


async def serve(configuration: Configuration, *, started: Callable[[str], None]) -> None:
    """Run an instance until SIGTERM or SIGINT; `started` is told the URL once it takes jobs."""
    library = CurrentLibrary(configuration.workflow_folders, find_actions())
    shutdown = Shutdown(configuration.notice)
    make_data_folder(configuration.data_dir.absolute())
    raise_limit()
    async with trio.open_nursery() as nursery:
        await nursery.start(follow_signals, shutdown, library.reload)
        with shutdown.start:
            await open_and_run(configuration, library, shutdown, started)
        nursery.cancel_scope.cancel()


async def open_and_run(
    configuration: Configuration,
    library: CurrentLibrary,
    shutdown: Shutdown,
    started: Callable[[str], None],
) -> None:
    """Open what an engine needs, and run it until it is told to stop."""
    meters = Meters()
    with scratch_of_instance(configuration.data_dir.absolute() / "scratch") as scratch:
        async with (
            trio_asyncio.open_loop(),
            open_store(configuration, meters=meters) as store,
            open_counters(configuration) as counters,
            open_outbound(configuration.outbound_allow) as http,
            open_outbound(configuration.outbound_allow, verify=False) as unverified,
        ):
            await bootstrap(store, configuration)
            warn_of_common_roots(await store.patient.clients(), configuration.local_roots)
            facilities = facilities_of(configuration, scratch, http, unverified)
            parts = parts_of(configuration, store, counters, library, facilities, meters)
            await wait_for_time(parts.keep_time, PATIENCE)
            services = partial(services_of, configuration, parts, library, shutdown)
            front = http_front(configuration, services, started, shutdown)
            await run_until_told(parts, plan_of(configuration), front, shutdown)


async def run_until_told(parts: Parts, plan: Plan, front: Front, shutdown: Shutdown) -> None:
    """Run an engine until a signal stops it. A second signal cuts the drain short: tasks that still
    run are handed back at once."""
    async with trio.open_nursery() as nursery:
        async with running_engine(parts, plan, front) as engine:
            shutdown.is_up = True
            nursery.start_soon(_hurry, shutdown, engine)
            try:
                await shutdown.begun.wait()
                _tell_stop(len(engine.roster.running), plan.drain)
            finally:  # an engine that crashed has threads too
                watch_over_the_end(max(plan.drain, shutdown.notice) + OVERTIME)
        nursery.cancel_scope.cancel()
    logger.info("stopped")


def _tell_stop(tasks: int, drain: float) -> None:
    """Whoever pressed Ctrl-C sees that it was heard, and what it waits for."""
    if not tasks:
        logger.info("stopping")
        return
    logger.info(
        "stopping: running tasks (%d) have %g s to end; a second signal, such as Ctrl-C, hands "
        "them back at once",
        tasks,
        drain,
    )


async def _hurry(shutdown: Shutdown, engine: Engine) -> None:
    await shutdown.hurried.wait()
    logger.info("stopping at once: what still runs is handed back")
    engine.drain.cancel()
    watch_over_the_end(OVERTIME)


def parts_of(
    configuration: Configuration,
    store: PostgresStore,
    counters: Counters | None,
    library: CurrentLibrary,
    facilities: Facilities,
    meters: Meters,
) -> Parts:
    """What the actors work with; all on one clock, the database's."""
    clock, vital = EngineClock(), store.apart()
    return Parts(
        store=store,
        patient=store.patient,
        vital=vital,
        counters=counters,
        actions=find_actions(),
        facilities=facilities,
        now=clock,
        keep_time=partial(keep_time, vital, clock),
        reader=lambda now: Reader(
            library.current,
            configuration.default_storage,
            now,
            allowed(configuration.outbound_allow).refuses,
        ),
        meters=meters,
    )


def services_of(
    configuration: Configuration,
    parts: Parts,
    library: CurrentLibrary,
    shutdown: Shutdown,
    engine: Engine,
) -> Services:
    """What the REST API works with: some of the actors' parts, and the running engine."""
    return Services(
        configuration=configuration,
        store=parts.store,
        counters=parts.counters,
        library=lambda: library.current,
        now=parts.now,
        meters=parts.meters,
        limits=Limits(configuration.requests_per_second),
        leaving=lambda: shutdown.leaving,
        draining=lambda: shutdown.refusing,
        intake=engine.post.intake.address,
        changed=engine.post.stir,
        rescheduled=engine.post.reschedule,
        herald=engine.herald,
        counts=engine.counts,
        version=version("taskengine"),
    )


def plan_of(configuration: Configuration) -> Plan:
    """What the instance is to be; warns of a lease that promises too much."""
    name = f"{socket.gethostname()}-{os.getpid()}"
    if configuration.lease < SHORT_LEASE:
        logger.warning(
            "a lease of %g s is short: a beat that is late makes a healthy instance dead, and its "
            "tasks start again; %g s or more are safe",
            configuration.lease,
            SHORT_LEASE,
        )
    return Plan(name, configuration.queues, configuration.drain, configuration.lease)


@asynccontextmanager
async def open_store(
    configuration: Configuration, patience: float = PATIENCE, meters: Meters | None = None
) -> AsyncIterator[PostgresStore]:
    """The store in the database that is configured, its schema up to date."""
    async with open_database(configuration) as url:
        await wait_and_upgrade(url, patience)
        async with open_postgres(url, connections=CONNECTIONS, meters=meters) as store:
            yield store


def open_database(configuration: Configuration) -> AbstractAsyncContextManager[str]:
    """The URL of the database, which is started if it is the embedded one."""
    url = configuration.database_url
    return embedded_postgres(configuration.data_dir.absolute()) if url is None else nullcontext(url)


@asynccontextmanager
async def store_alone(
    configuration: Configuration, patience: float
) -> AsyncIterator[PostgresStore]:
    """The store for a command, without an engine."""
    async with trio_asyncio.open_loop(), open_store(configuration, patience) as store:
        yield store


@asynccontextmanager
async def store_as_it_is(
    configuration: Configuration, patience: float
) -> AsyncIterator[PostgresStore]:
    """The same of a database that is there already. Raises Misconfigured where there is none:
    whoever only looks, or looks in the wrong place, makes nothing."""
    data = configuration.data_dir.absolute()
    if configuration.embedded_database and not has_database(data):
        told = f"there is no database in {data}: name its folder with --data-dir"
        raise Misconfigured(f"{told}, or start `taskengine serve` to make one")
    async with trio_asyncio.open_loop(), open_database(configuration) as url:
        if await wait_for(missing, url, patience):
            raise Misconfigured("the database is not up to date: `taskengine db upgrade`")
        async with open_postgres(url, connections=CONNECTIONS) as store:
            yield store


async def upgrade_database(configuration: Configuration, patience: float) -> list[str]:
    """Bring the schema up to date; the names of the migrations that it took."""
    async with trio_asyncio.open_loop(), open_database(configuration) as url:
        return await wait_and_upgrade(url, patience)


@asynccontextmanager
async def open_counters(configuration: Configuration) -> AsyncIterator[Counters | None]:
    """The mirror of the queue counters; None where none is wanted."""
    url = configuration.redis_url
    if url == "none":
        yield None
        return
    server = embedded_valkey(configuration.data_dir.absolute()) if url is None else nullcontext(url)
    async with server as url, open_redis(url) as counters:
        yield counters


async def bootstrap(store: PostgresStore, configuration: Configuration) -> None:
    """Make the first client, as admin, where there is none yet. Whoever then calls with a key that
    opens nothing, or has none, finds the reason in the log."""
    if configuration.bootstrap_client is None:
        if not await store.patient.clients():
            logger.warning("there is no client yet: `taskengine client add NAME` makes one")
        return
    name, _, key = configuration.bootstrap_client.partition(":")
    new = Client(name, hash_key(key), admin=True)
    if await store.patient.put_client(new, bootstrap=True):
        return
    known = await store.patient.client(name)
    if not opens(key, known, await store.patient.time()):
        told = "has another key" if known else "is not one of them"
        logger.warning(
            "there are clients already, and %s %s: bootstrap_client is not used", name, told
        )


async def keep_time(store: PostgresStore, clock: EngineClock) -> bool:
    """Set the engine's clock by the database's; whether it answered soon enough for that."""
    asked = clock.elapsed
    told = await store.time()
    return clock.sample(told, asked, clock.elapsed)


async def wait_for_time(keep_time: Callable[[], Awaitable[object]], patience: float) -> None:
    """Set the clock for the first time; the database may be away again since its schema was
    brought up to date. One that is always slow is asked again later, with each heartbeat."""
    deadline = trio.current_time() + patience
    tries = 0
    while tries < SAMPLES:
        try:
            if await keep_time():
                return
            tries += 1
        except StoreUnavailable:
            if trio.current_time() > deadline:
                raise
        await trio.sleep(AGAIN)
    logger.warning(
        "the database takes more than %g s to tell its time: this host's clock is used, until "
        "it answers sooner",
        MAX_ROUND_TRIP,
    )
