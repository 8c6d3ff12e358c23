"""The HTTP server of an engine: it starts after the actors that it needs, and ends before
them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import trio

from taskengine.actors.definitions import Definitions
from taskengine.actors.wiring import Resources
from taskengine.api.app import create_app
from taskengine.api.heavy import Heavy
from taskengine.api.limits import RequestLimits
from taskengine.api.services import Services
from taskengine.configuration import HOME, Configuration
from taskengine.engine import Engine, HttpServer
from taskengine.httpd.hypercorn_file import limited, listen, read_hypercorn_file
from taskengine.httpd.limits import ConnectionLimits
from taskengine.httpd.serving import Server, url_of
from taskengine.runtime.aside import Aside
from taskengine.runtime.descriptors import for_connections, raise_limit
from taskengine.runtime.shutdown import Shutdown
from taskengine.ui import add_pages
from taskengine.workflows.library import CurrentLibrary

logger = logging.getLogger(__name__)


def http_server_of(
    configuration: Configuration,
    services: Callable[[Engine], Services],
    started: Callable[[str], None],
    shutdown: Shutdown,
) -> HttpServer:
    """The HTTP server of an engine; it stays until proxies have had notice."""

    @asynccontextmanager
    async def serving(engine: Engine) -> AsyncIterator[None]:
        settings = read_hypercorn_file(HOME / "hypercorn.toml")
        limits = limited(_limits(configuration), settings)
        listening, tls = listen(configuration.bind, settings)
        given = services(engine)
        app = create_app(given)
        add_pages(app, given)
        server = Server(app, limits, tls)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve, [listening])
            started(url_of(listening, tls=tls is not None))
            try:
                yield
                await shutdown.notice_given()
            finally:
                engine.event_feed.close()
                server.stop.set()

    return serving


def _limits(configuration: Configuration) -> ConnectionLimits:
    """No more connections than there are descriptors for, with some left for everything else."""
    descriptors = raise_limit()
    places = min(configuration.connections, for_connections(descriptors))
    if places < configuration.connections:
        logger.warning(
            "%d connections instead of %d: the process may have %d files open (ulimit -n)",
            *(places, configuration.connections, descriptors),
        )
    return ConnectionLimits(
        connections=places, connections_per_address=configuration.connections_per_address
    )


def services_of(
    configuration: Configuration,
    resources: Resources,
    library: CurrentLibrary,
    shutdown: Shutdown,
    aside: Aside,
    engine: Engine,
) -> Services:
    """What the REST API works with: some of the actors' resources, and the running engine."""
    return Services(
        configuration=configuration,
        store=resources.store,
        definitions=Definitions(resources.store),
        counters=resources.counters,
        library=lambda: library.current,
        now=resources.now,
        meters=resources.meters,
        limits=RequestLimits(configuration.requests_per_second),
        heavy=Heavy(aside),
        leaving=lambda: shutdown.leaving,
        draining=lambda: shutdown.refusing,
        intake=engine.mailboxes.intake.address,
        changed=engine.mailboxes.announce_change,
        paused=engine.mailboxes.announce_pause,
        rescheduled=engine.mailboxes.announce_reschedule,
        operated=engine.mailboxes.announce_operation,
        event_feed=engine.event_feed,
        counts=engine.counts,
        version=version("taskengine"),
    )
