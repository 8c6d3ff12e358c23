"""Fetching from origins: redirects judged at each hop, bodies bounded, few requests to a host.

The client it is given checks every address that it connects to; it follows no redirect by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx
import trio

from taskengine.capture.model import Resource, SourceAway, SourceRefused
from taskengine.capture.streams import Answer
from taskengine.outbound import AddressRefused

REDIRECTS: Final = 5
PER_HOST: Final = 6  # requests at once
SILENCE: Final = 10.0  # seconds without a byte
LONGEST: Final = 120.0  # seconds for one body
PIECE: Final = 1 << 18
HELD: Final = 1 << 20  # bytes of a body that are written at once


@dataclass(slots=True)
class Web:
    """Shared by all sources of a capture."""

    http: httpx.AsyncClient
    _hosts: dict[str, trio.CapacityLimiter] = field(
        default_factory=lambda: defaultdict(lambda: trio.CapacityLimiter(PER_HOST))
    )

    async def get(self, resource: Resource, limit: int) -> Answer:
        """A body in memory. Raises SourceAway, SourceRefused."""
        body = bytearray()
        async with self._opened(resource) as (response, url):
            async for piece in _pieces(response, resource, limit):
                body += piece
        return Answer(bytes(body), url)

    async def download(self, resource: Resource, target: Path, limit: int) -> int:
        """A body in a file; its length. A body that is cut raises SourceAway."""
        length, held = 0, bytearray()
        async with (
            self._opened(resource) as (response, _),
            await trio.open_file(target, "wb") as file,
        ):
            async for piece in _pieces(response, resource, limit):
                held += piece
                length += len(piece)
                if len(held) >= HELD:
                    await file.write(held)
                    held.clear()
            await file.write(held)
        return length

    @asynccontextmanager
    async def _opened(self, resource: Resource) -> AsyncIterator[tuple[httpx.Response, str]]:
        """The answer at the end of all redirects. Errors of the transport become SourceAway."""
        try:
            with trio.fail_after(LONGEST):
                async with self._followed(resource) as answer:
                    yield answer
        except trio.TooSlowError:
            raise SourceAway(f"no whole answer in {LONGEST:g} s") from None
        except AddressRefused as error:
            raise SourceRefused(str(error)) from None
        except (httpx.HTTPError, OSError) as error:
            raise SourceAway(f"{type(error).__name__}: {error}") from error

    @asynccontextmanager
    async def _followed(self, resource: Resource) -> AsyncIterator[tuple[httpx.Response, str]]:
        url = resource.url
        for _ in range(REDIRECTS + 1):
            host = urlsplit(url).netloc.rpartition("@")[2].lower()
            request = self._request(resource, url)
            async with self._hosts[host]:
                response = await self.http.send(request, stream=True, follow_redirects=False)
                try:
                    if not response.is_redirect:
                        _check(response, resource)
                        yield response, url
                        return
                    url = urljoin(url, response.headers["location"])
                finally:
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                        await response.aclose()
        raise SourceRefused(f"more than {REDIRECTS} redirects")

    def _request(self, resource: Resource, url: str) -> httpx.Request:
        if urlsplit(url).scheme not in ("http", "https"):
            raise SourceRefused("its address is neither http nor https")
        headers = {}
        if resource.length is not None:
            last = resource.offset + resource.length - 1
            headers["Range"] = f"bytes={resource.offset}-{last}"
        timeout = httpx.Timeout(SILENCE)
        try:
            return self.http.build_request("GET", url, headers=headers, timeout=timeout)
        except httpx.InvalidURL as error:
            raise SourceRefused(f"its address is no URL: {error}") from None


def _check(response: httpx.Response, resource: Resource) -> None:
    wanted = 206 if resource.length is not None else 200
    if response.status_code == 200 and resource.offset == 0:
        return  # ranges are not known there: it is cut to its length
    if response.status_code != wanted:
        raise SourceAway(f"status {response.status_code}")


async def _pieces(response: httpx.Response, resource: Resource, limit: int) -> AsyncIterator[bytes]:
    """The body, all of it. Raises SourceRefused for more than the limit."""
    left = resource.length if resource.length is not None else limit + 1
    async for piece in response.aiter_bytes(PIECE):
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            break
    if resource.length is None and left <= 0:
        raise SourceRefused(f"a file of more than {limit} bytes")
    if resource.length is not None and left > 0:
        raise SourceAway(f"{left} bytes of its range are missing")
