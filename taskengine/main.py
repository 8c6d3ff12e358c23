"""The composition root: the one module that chooses implementations and puts the parts together.

What `serve` opens first is closed last; there is no other shutdown code. The actors, and the order
in which they stop, are in engine.py.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import NamedTuple

import trio
import trio_asyncio

from taskengine.actions import find_actions
from taskengine.actions.environment import ActionEnvironment
from taskengine.actions.scratch import scratch_of_instance
from taskengine.actors.wiring import InstanceOptions, Resources
from taskengine.addresses import allowed
from taskengine.alerts import AlertReceivers, open_alerts
from taskengine.bootstrapping import bootstrap
from taskengine.configuration import Configuration
from taskengine.counters import Counters
from taskengine.counters.redis import open_redis
from taskengine.embedded.postgres import embedded_postgres, postgres_lock
from taskengine.embedded.valkey import embedded_valkey
from taskengine.engine import Engine, HttpServer, running_engine
from taskengine.http_server import http_server_of, services_of
from taskengine.jobs.submission import Reader
from taskengine.local_environment import local_environment
from taskengine.meters import Meters
from taskengine.model import StoreUnavailable
from taskengine.outbound import open_outbound
from taskengine.runtime.aside import open_workers
from taskengine.runtime.clock import MAX_ROUND_TRIP, EngineClock
from taskengine.runtime.descriptors import raise_limit
from taskengine.runtime.folders import make_data_folder
from taskengine.runtime.garbage import collect_less
from taskengine.runtime.pulse import Pulse
from taskengine.runtime.shutdown import OVERTIME, Shutdown, follow_signals, watch_over_the_end
from taskengine.storage.roots import warn_of_common_roots
from taskengine.store.postgres import PostgresStore, open_postgres
from taskengine.store.postgres.migrate import wait_and_upgrade
from taskengine.traces import Traces, open_traces
from taskengine.witness.witnessed import Witness, witnessed
from taskengine.workflows.library import CurrentLibrary

logger = logging.getLogger(__name__)

CONNECTIONS = 12
SHORT_LEASE = 3.0  # seconds; below, beats and readings, a second apart, come too close to it
START_DEADLINE = 60.0  # seconds to wait for the database at the start
RETRY_PAUSE = 1.0  # seconds before it is tried again
MAX_CLOCK_SAMPLES = 10  # of the database's time that may be too slow at the start
AGREEING_SAMPLES = 2  # answers in a row that the first time is taken from


async def serve(configuration: Configuration, *, started: Callable[[str], None]) -> None:
    """Run an instance until SIGTERM or SIGINT; `started` is told the URL once it takes jobs."""
    library = CurrentLibrary(configuration.workflow_folders, find_actions())
    collect_less()
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
    meters, process = Meters(), uuid.uuid4()  # by which its death is told of
    lock = postgres_lock(configuration.data_dir) if configuration.embedded_database else None
    with scratch_of_instance(configuration.data_dir.absolute() / "scratch", process) as scratch:
        async with (
            trio_asyncio.open_loop(),
            open_store(configuration, meters=meters) as store,
            witnessed(store.pool.url, store.testimony(process), lock) as witness,
            open_counters(configuration) as counters,
            open_outbound(configuration.outbound_allow) as http,
            open_outbound(configuration.outbound_allow, verify=False) as unverified,
            open_workers() as aside,
            open_observers(configuration, meters) as observers,
        ):
            await bootstrap(store, configuration)
            for dead in scratch.died:
                await store.patient.declare_dead(dead)
            warn_of_common_roots(await store.patient.clients(), configuration.local_roots)
            pulse = Pulse(configuration.lease, (witness.bond, scratch.lock))
            environment = local_environment(configuration, scratch.folder, http, unverified, pulse)
            warn_of_missing_default(configuration)
            await environment.check_storages()
            resources = resources_of(
                configuration, store, counters, library, environment, observers, witness
            )
            await wait_for_time(resources.keep_time, START_DEADLINE)
            services = partial(services_of, configuration, resources, library, shutdown, aside)
            server = http_server_of(configuration, services, started, shutdown)
            await run_until_told(resources, options_of(configuration, process), server, shutdown)


async def run_until_told(
    resources: Resources, options: InstanceOptions, server: HttpServer, shutdown: Shutdown
) -> None:
    """Run an engine until a signal stops it. A second signal cuts the drain short: tasks that still
    run are handed back at once."""
    async with trio.open_nursery() as nursery:
        async with running_engine(resources, options, server) as engine:
            shutdown.is_up = True
            nursery.start_soon(_hurry, shutdown, engine)
            try:
                await shutdown.begun.wait()
                _tell_stop(len(engine.state.running), options.drain)
            finally:  # an engine that crashed has threads too
                watch_over_the_end(max(options.drain, shutdown.notice) + OVERTIME)
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


def warn_of_missing_default(configuration: Configuration) -> None:
    """Jobs that name no storage would be refused, all of them."""
    default = configuration.default_storage
    if default not in configuration.storages:
        logger.warning(
            "the default storage %s is not configured: jobs that name no storage are refused; set "
            "storage.default, or what [storage.%s] needs (docs/storages.md)",
            default,
            default,
        )


class Observers(NamedTuple):
    """What is told of the engine's doings, and nothing depends on."""

    meters: Meters
    traces: Traces
    alerts: AlertReceivers | None


@asynccontextmanager
async def open_observers(configuration: Configuration, meters: Meters) -> AsyncIterator[Observers]:
    """For the length of the block. Raises Misconfigured."""
    async with (
        open_traces(configuration.traces, instance_name()) as traces,
        open_alerts(configuration.alerts) as alerts,
    ):
        yield Observers(meters, traces, alerts)


def resources_of(
    configuration: Configuration,
    store: PostgresStore,
    counters: Counters | None,
    library: CurrentLibrary,
    environment: ActionEnvironment,
    observers: Observers,
    witness: Witness,
) -> Resources:
    """What the actors work with; all on one clock, the database's."""
    clock, vital = EngineClock(), store.apart()
    return Resources(
        store=store,
        patient=store.patient,
        vital=vital,
        counters=counters,
        actions=find_actions(),
        environment=environment,
        now=clock,
        keep_time=partial(keep_time, vital, clock),
        reader=lambda now: Reader(
            library.current,
            configuration.default_storage,
            now,
            allowed(configuration.outbound_allow).refuses,
            tuple(configuration.storages),
        ),
        meters=observers.meters,
        traces=observers.traces,
        alerts=observers.alerts,
        workflows=lambda: library.current.digest,
        left=witness.send_away,
    )


def instance_name() -> str:
    """Under which people find the instance: its host and process."""
    return f"{socket.gethostname()}-{os.getpid()}"


def options_of(configuration: Configuration, process: uuid.UUID | None = None) -> InstanceOptions:
    """What the instance is to be; warns of a lease that promises too much."""
    if configuration.lease < SHORT_LEASE:
        logger.warning(
            "a lease of %g s is short: a beat that is late makes a healthy instance dead, and its "
            "tasks start again; %g s or more are safe",
            configuration.lease,
            SHORT_LEASE,
        )
    return InstanceOptions(
        instance_name(), configuration.queues, configuration.drain, configuration.lease, process
    )


@asynccontextmanager
async def open_store(
    configuration: Configuration, patience: float = START_DEADLINE, meters: Meters | None = None
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
async def open_counters(configuration: Configuration) -> AsyncIterator[Counters | None]:
    """The mirror of the queue counters; None where none is wanted."""
    url = configuration.redis_url
    if url == "none":
        yield None
        return
    server = embedded_valkey(configuration.data_dir.absolute()) if url is None else nullcontext(url)
    async with server as url, open_redis(url) as counters:
        yield counters


async def keep_time(store: PostgresStore, clock: EngineClock) -> bool:
    """Set the engine's clock by the database's; whether its answer came soon enough for that, and
    is believed."""
    asked = clock.elapsed
    told = await store.time()
    return clock.sample(told, asked, clock.elapsed)


async def wait_for_time(keep_time: Callable[[], Awaitable[object]], patience: float) -> None:
    """Set the clock for the first time, by answers in a row that agree; the database may be away
    again since its schema was brought up to date. One that is always slow is asked again later,
    with each heartbeat."""
    deadline = trio.current_time() + patience
    tries = agreed = 0
    while tries < MAX_CLOCK_SAMPLES:
        try:
            agreed = agreed + 1 if await keep_time() else 0
            if agreed == AGREEING_SAMPLES:
                return
            if agreed:
                continue
            tries += 1
        except StoreUnavailable:
            if trio.current_time() > deadline:
                raise
        await trio.sleep(RETRY_PAUSE)
    logger.warning(
        "the database takes more than %g s to tell its time: this host's clock is used, until "
        "it answers sooner",
        MAX_ROUND_TRIP,
    )
