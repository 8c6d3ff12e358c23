"""The HTTP client for addresses that users give: it reaches public ones and those allowed."""

from __future__ import annotations

import math
import os
import re
import socket
import ssl
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

import httpcore
import httpx
import trio

from taskengine.model import BadInput, Misconfigured, TaskEngineError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # host, port → addresses, best first

KEPT_ALIVE = 20  # idle connections
IDLE = 4.0  # seconds that a connection is kept for; many servers hang up after 5
# Threads that may wait for the name service, apart from those that serve files. Each errand waits
# in one until its deadline, and leaves it behind until the system's resolver gives up, after about
# 30 s: enough for all couriers, gates and workers to meet silent names three times over.
LOOKUPS = 500
HOST: Final = re.compile(r"([\w-]+\.)*[\w-]*[a-z][\w-]*\.?", re.ASCII | re.IGNORECASE)
HEADERS: Final = {"user-agent": "taskengine", "accept-encoding": "identity"}

# From IANA's registries of special-purpose addresses.
SPECIAL: Final = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "127.0.0.0/8"),  # this host
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),  # private, CGNAT
        *("169.254.0.0/16", "168.63.129.16/32"),  # link-local with metadata; Azure's host
        *("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"),  # protocols, relays, benchmarks
        *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),  # documentation
        *("224.0.0.0/3", "2001::/23", "2002::/16"),  # multicast and reserved; Teredo; 6to4
        *("2001:db8::/32", "3fff::/20"),  # documentation
    )
)
# Loopback, mapped IPv4, NAT64, unique local, link-local, site-local and multicast lie outside.
GLOBAL_UNICAST: Final = IPv6Network("2000::/3")


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
    transport = _Transport(
        httpcore.AsyncConnectionPool(
            ssl_context=_certificates(verify),
            max_connections=None,  # each kind of errand has its limit: none waits for another's
            max_keepalive_connections=KEPT_ALIVE,
            keepalive_expiry=IDLE,
            network_backend=backend,
        )
    )
    async with httpx.AsyncClient(
        transport=transport,
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        headers=HEADERS,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # tenants share the client
    ) as client:
        yield client


def _certificates(verify: bool) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context(verify=verify)
    except OSError as error:
        found = {name: os.environ[name] for name in CERTIFICATES if name in os.environ}
        named = ", ".join(f"{name}={value}" for name, value in found.items())
        raise Misconfigured(f"{named}: {error.strerror or error}") from None


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


def is_public(address: Address) -> bool:
    """Whether it belongs to the internet at large."""
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return False
    return not any(address in network for network in SPECIAL)


CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
LOOPBACK: Final = IPv4Address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be reached besides public addresses."""

    networks: tuple[Network, ...]
    hosts: frozenset[str]

    @classmethod
    def parse(cls, entries: Sequence[str]) -> Allowed:
        """From networks, addresses and host names; raises BadInput for anything else."""
        networks = {entry: _network(entry) for entry in entries}
        return cls(
            tuple(network for network in networks.values() if network is not None),
            frozenset(_plain(entry) for entry, network in networks.items() if network is None),
        )

    def refuses(self, url: str) -> bool:
        """Whether the URL names an address that is not admitted; of other names that is not known
        before they are looked up."""
        host = urlsplit(url).hostname or ""
        if _plain(host) == "localhost":
            return not self.admits(host, LOOPBACK)
        try:
            return not self.admits(host, ip_address(host))
        except ValueError:
            return False

    def admits(self, host: str, address: Address) -> bool:
        if is_public(address) or _plain(host) in self.hosts:
            return True
        return any(address in network for network in self.networks)


@lru_cache(maxsize=10)
def allowed(entries: tuple[str, ...]) -> Allowed:
    """What the entries of the setting allow, read once."""
    return Allowed.parse(entries)


def _network(entry: str) -> Network | None:
    """None: a host name."""
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        if not HOST.fullmatch(entry):
            raise BadInput(f"outbound_allow: expected a network or a host: {entry!r}") from None
        return None


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")


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
                return await self._tcp.connect_tcp(addresses.pop(0), port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                if not addresses:
                    raise type(error)(f"{host}: {_reason(error)}") from error

    async def _look_up(self, host: str, port: int, deadline: float) -> Sequence[str]:
        try:
            with trio.fail_at(deadline):
                return await self._resolve(host, port)
        except trio.TooSlowError:
            raise httpcore.ConnectTimeout(f"{host}: the name service is silent") from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError(f"{host}: unknown host") from None


class _Transport(httpx.AsyncBaseTransport):
    """httpx on top of the pool, in httpx's errors."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        if url.scheme not in ("http", "https") or not url.host:
            raise httpx.UnsupportedProtocol("expected a URL with http or https and a host")
        assert isinstance(request.stream, httpx.AsyncByteStream)
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _errors_of_httpx():
            answer = await self._pool.handle_async_request(sent)
        assert isinstance(answer.stream, AsyncIterable)
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors_of_httpx():
            async for chunk in self._stream:
                yield chunk

    async def aclose(self) -> None:
        if close := getattr(self._stream, "aclose", None):
            await close()


ERRORS: Final = (  # httpx has one of the same name for each
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


@contextmanager
def _errors_of_httpx() -> Iterator[None]:
    try:
        yield
    except ERRORS as error:
        translated: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise translated(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """What is at the bottom of an error, without the address."""
    while inner := _inner(error):
        error = inner
    if isinstance(error, trio.TooSlowError):
        return "timed out"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def _inner(error: BaseException) -> BaseException | None:
    if isinstance(error, ExceptionGroup):
        return error.exceptions[0]
    wrapped = error.args[0] if error.args else None  # as httpcore has it; it cuts the chain
    return wrapped if isinstance(wrapped, BaseException) else error.__cause__
