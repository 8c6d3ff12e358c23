"""The HTTP client for addresses that users give: it reaches public ones and those allowed."""

from __future__ import annotations

import math
import os
import socket
import ssl
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any, Final

import httpcore
import httpx
import trio

from taskengine.addresses import Allowed
from taskengine.model import Misconfigured, PermanentFailure, TaskEngineError
from taskengine.receiving import BoundedStream
from taskengine.transport import Transport, reason

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # host, port → addresses, best first

KEPT_ALIVE = 20  # idle connections
BODY_PATIENCE = 0.5  # seconds for a body that is read for the sake of its connection
IDLE = 4.0  # seconds that a connection is kept for; many servers hang up after 5
# Threads that may wait for the name service, apart from those that serve files. Each call waits
# in one until its deadline, and leaves it behind until the system's resolver gives up, after about
# 30 s: enough for all couriers, gates and workers to meet silent names three times over.
LOOKUPS = 500
CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
HEADERS: Final = {"user-agent": "taskengine", "accept-encoding": "identity"}


class RequestFailed(TaskEngineError):
    """There was no answer, or not the expected one; another try may bring it."""


class AddressRefused(TaskEngineError, httpx.ConnectError):
    """A host with no address that may be reached; to callers of httpx a failed connection."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} has no public address, and outbound_allow does not list it")
        self.host = host


@asynccontextmanager
async def open_outbound(
    allow: Sequence[str],
    *,
    verify: bool = True,
    timeout: float = 15,  # noqa: ASYNC109 - of each step of a request, not of this call
    resolve: Resolve | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that checks the address of each connection; `allow` lists networks and hosts.

    It raises AddressRefused and httpx's errors, follows no redirect, keeps no cookie and takes no
    proxy from the environment. A request has no time limit as a whole, and a body no size limit:
    use trio.fail_after() and read_limited().
    """
    backend = _Backend(Allowed.parse(allow), resolve or _name_service())
    transport = Transport(
        httpcore.AsyncConnectionPool(
            ssl_context=_certificates(verify),
            max_connections=None,  # each kind of call has its limit: none waits for another's
            max_keepalive_connections=KEPT_ALIVE,
            keepalive_expiry=IDLE,
            network_backend=backend,
        )
    )
    async with _PlainClient(
        transport=transport,
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        headers=HEADERS,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # tenants share the client
    ) as client:
        yield client


class _PlainClient(httpx.AsyncClient):
    """Sends a request as it is: none is authenticated, redirected or given a cookie here, and to
    look for that takes as long as to send it."""

    def __init__(self, *, transport: Transport, **options: Any) -> None:
        super().__init__(transport=transport, **options)
        self._straight = transport

    async def send(
        self, request: httpx.Request, *, stream: bool = False, **defaults: object
    ) -> httpx.Response:
        """As httpx's own methods call it, with the defaults of what it does besides."""
        response = await self._straight.handle_async_request(request)
        response.request = request
        if not stream:
            try:
                await response.aread()
            finally:
                await response.aclose()
        return response


def _certificates(verify: bool) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context(verify=verify)
    except OSError as error:
        found = {name: os.environ[name] for name in CERTIFICATES if name in os.environ}
        named = ", ".join(f"{name}={value}" for name, value in found.items())
        raise Misconfigured(f"{named}: {error.strerror or error}") from None


async def exchange(
    client: httpx.AsyncClient, request: httpx.Request, *, told: str, seconds: float, limit: int
) -> tuple[httpx.Response, bytes]:
    """Send a request; its response, and the first `limit` bytes of the body. `told` is what people
    call it. Raises RequestFailed, and PermanentFailure where no other try can bring an answer."""
    try:
        with trio.fail_after(seconds):
            response = await client.send(request, stream=True)
            try:
                return response, await read_limited(response, limit)
            finally:
                await response.aclose()
    except trio.TooSlowError:
        raise RequestFailed(f"{told}: no answer within {seconds:g} s") from None
    except (AddressRefused, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise PermanentFailure(f"{told}: {error}") from error
    except httpx.HTTPError as error:
        raise RequestFailed(f"{told}: {str(error) or type(error).__name__}") from error


async def finish(response: httpx.Response) -> None:
    """Close a streamed response of which nobody looks at the body. A small one is read, since a
    connection that was read to the end is kept for the next request."""
    length = response.headers.get("content-length", "")
    try:
        if length.isascii() and length.isdigit() and len(length) < 5:
            with trio.move_on_after(BODY_PATIENCE):
                async for _ in response.aiter_raw():
                    pass
    finally:
        await response.aclose()


async def read_limited(response: httpx.Response, limit: int) -> bytes:
    """The first `limit` bytes of a streamed body, as sent: what is packed is not unpacked."""
    body = bytearray()
    chunks = response.aiter_bytes() if response.is_stream_consumed else response.aiter_raw()
    with trio.CancelScope() as enough:  # ends the generators below, which `break` would abandon
        async for chunk in chunks:
            body += chunk[: limit - len(body)]
            if len(body) >= limit:
                enough.cancel()
    return bytes(body)


def _name_service() -> Resolve:
    """The system's, in threads of its own: one that hangs holds up nobody's files."""
    threads = trio.CapacityLimiter(LOOKUPS)

    def look_up(host: str, port: int) -> list[str]:
        found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
        return [str(address[0]) for *_, address in found]

    async def resolve(host: str, port: int) -> list[str]:
        with suppress(ValueError):  # no address: a name
            return [str(ip_address(host))]
        return await trio.to_thread.run_sync(
            look_up, host, port, abandon_on_cancel=True, limiter=threads
        )

    return resolve


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that it has checked; a host name goes no further than here."""

    def __init__(self, allowed: Allowed, resolve: Resolve) -> None:
        self._allowed, self._resolve = allowed, resolve
        self._tcp = httpcore.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        deadline = trio.current_time() + (math.inf if timeout is None else timeout)
        found = await self._look_up(host, port, deadline)
        addresses = [name for name in found if self._allowed.admits(host, ip_address(name))]
        if not addresses:
            raise AddressRefused(host)
        while True:
            share = max(0.0, deadline - trio.current_time()) / len(addresses)
            try:
                stream = await self._tcp.connect_tcp(addresses.pop(0), port, share)
                return BoundedStream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                if not addresses:
                    raise type(error)(f"{host}: {reason(error)}") from error

    async def _look_up(self, host: str, port: int, deadline: float) -> Sequence[str]:
        try:
            with trio.fail_at(deadline):
                return await self._resolve(host, port)
        except trio.TooSlowError:
            raise httpcore.ConnectTimeout(f"{host}: the name service is silent") from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError(f"{host}: unknown host") from None
