"""The HTTP server in front of an engine: it starts after the actors that it needs, and ends even
where a client does not read its answers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import hypercorn.trio
import trio
from hypercorn.config import Config

from taskengine.api.app import create_app
from taskengine.api.services import Services
from taskengine.api.sockets import hang_up
from taskengine.configuration import HOME, Configuration
from taskengine.engine import Engine, Front
from taskengine.runtime.shutdown import Shutdown

logger = logging.getLogger(__name__)


def http_front(
    configuration: Configuration,
    services: Callable[[Engine], Services],
    started: Callable[[str], None],
    shutdown: Shutdown,
) -> Front:
    """The HTTP server as the engine's front; it stays until proxies have had notice."""

    @asynccontextmanager
    async def front(engine: Engine) -> AsyncIterator[None]:
        stop = trio.Event()
        server = _server_configuration(configuration)
        app = create_app(services(engine))
        async with trio.open_nursery() as nursery:
            run = partial(hypercorn.trio.serve, app, server, shutdown_trigger=stop.wait)
            urls = await nursery.start(_then_cancel, nursery.cancel_scope, run)
            started(urls[0])
            try:
                yield
                await shutdown.notice_given()
            finally:
                engine.herald.close()
                stop.set()
                port = urlsplit(urls[0]).port or 0
                nursery.start_soon(_hang_up_late, port, server.graceful_timeout)

    return front


async def _then_cancel(
    scope: trio.CancelScope,
    serve: Callable[..., Awaitable[None]],
    task_status: trio.TaskStatus[list[str]],
) -> None:
    """Once the server has ended, nothing is left to wait for: not even a hang-up that is due."""
    await serve(task_status=task_status)
    scope.cancel()


async def _hang_up_late(port: int, seconds: float) -> None:
    """The server by itself waits for ever for a client that does not read its answer."""
    await trio.sleep(seconds + 1)
    logger.info("connections that nobody reads, closed: %d", hang_up(port))


def _server_configuration(configuration: Configuration) -> Config:
    path = HOME / "hypercorn.toml"
    server = Config.from_toml(path) if path.is_file() else Config()
    server.bind = [configuration.bind]
    server.errorlog = logging.getLogger("hypercorn.error")  # else with handlers of its own
    return server
