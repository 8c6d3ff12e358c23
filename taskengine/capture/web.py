"""Fetching from origins: redirects judged at each hop, bodies bounded, few requests to a host.

The client it is given checks every address that it connects to; it follows no redirect by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx
import trio

from taskengine.capture.model import Resource, SourceAway, SourceRefused
from taskengine.capture.streams import Answer
from taskengine.capture.unpacking import Unpacker
from taskengine.outbound import AddressRefused

REDIRECTS: Final = 5
PER_HOST: Final = 6  # requests at once
SILENCE: Final = 10.0  # seconds without a byte
LONGEST: Final = 120.0  # seconds for one body
HELD: Final = 1 << 20  # bytes of a body that are written at once

Check = Callable[[Path], str]  # what is wrong with a file; blocking


def passed(_: Path) -> str:
    """Nothing is looked at."""
    return ""


@dataclass(slots=True)
class Web:
    """Shared by all sources of a capture. `longest` is in seconds, for one body."""

    http: httpx.AsyncClient
    longest: float = LONGEST
    _hosts: dict[str, trio.CapacityLimiter] = field(
        default_factory=lambda: defaultdict(lambda: trio.CapacityLimiter(PER_HOST))
    )

    async def get(self, resource: Resource, limit: int) -> Answer:
        """A body in memory. Raises SourceAway, SourceRefused."""
        body = _Arriving()
        async with self._opened(resource) as (response, url):
            await _copy(response, resource, limit, body)
        return Answer(bytes(body.held), url)

    async def peek(self, resource: Resource, size: int) -> Answer:
        """The beginning of a body, so many bytes at most. Raises SourceAway, SourceRefused."""
        body = _Arriving()
        async with self._opened(resource) as (response, url):
            await _written(response, size, body)
        return Answer(bytes(body.held), url)

    async def download(
        self, resource: Resource, target: Path, limit: int, check: Check = passed
    ) -> None:
        """A body in a file. One that is cut raises SourceAway, and so does one of which `check`
        says, in a thread, what is wrong with it."""
        body = _Arriving(target)
        try:
            async with self._opened(resource) as (response, _):
                await _copy(response, resource, limit, body)
            if problem := await body.finish(check):
                raise SourceAway(problem)
        finally:
            body.close()

    @asynccontextmanager
    async def _opened(self, resource: Resource) -> AsyncIterator[tuple[httpx.Response, str]]:
        """The answer at the end of all redirects. Errors of the transport become SourceAway."""
        try:
            with trio.fail_after(self.longest):
                async with self._followed(resource) as answer:
                    yield answer
        except trio.TooSlowError:
            raise SourceAway(f"no whole answer in {self.longest:g} s") from None
        except AddressRefused as error:
            raise SourceRefused(str(error)) from None
        except ValueError as error:  # of a redirect: "http://["
            raise SourceRefused(f"its address is no URL: {error}") from None
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
                    if not response.has_redirect_location:
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


@dataclass(slots=True)
class _Arriving:
    """A body that arrives: held in memory, with a target written there, a large piece at a time.
    Most bodies are small, and take one turn of a thread."""

    target: Path | None = None
    held: bytearray = field(default_factory=bytearray)
    _file: FileIO | None = None

    async def add(self, piece: bytes) -> None:
        self.held += piece
        if self.target is not None and len(self.held) >= HELD:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._write)

    async def finish(self, check: Check) -> str:
        """All of it is in the target; what the check says of that. Raises SourceAway."""
        try:
            return await trio.to_thread.run_sync(self._finish, check)
        except OSError as error:
            raise SourceAway(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self) -> None:
        assert self.target is not None
        if self._file is None:
            self._file = FileIO(self.target, "w")
        left = memoryview(self.held)
        while left:
            left = left[self._file.write(left) :]
        left.release()
        self.held.clear()

    def _finish(self, check: Check) -> str:
        self._write()
        self.close()
        assert self.target is not None
        return check(self.target)


async def _copy(response: httpx.Response, resource: Resource, limit: int, body: _Arriving) -> None:
    """The body, all of it. Raises SourceRefused for more than the limit, SourceAway for less than
    a range."""
    wanted = resource.length if resource.length is not None else limit + 1
    left = await _written(response, wanted, body)
    if resource.length is None and left <= 0:
        raise SourceRefused(f"a file of more than {limit} bytes")
    if resource.length is not None and left > 0:
        raise SourceAway(f"{left} bytes of its range are missing")


async def _written(response: httpx.Response, left: int, body: _Arriving) -> int:
    """How many bytes of those wanted there were not."""
    is_read = response.is_stream_consumed  # by a transport that has all of it, unpacked
    raw = response.stream  # itself: what httpx puts around it counts and cuts, which is done here
    assert isinstance(raw, AsyncIterable)
    unpacker = Unpacker("" if is_read else response.headers.get("content-encoding", ""))
    problem: SourceAway | OSError | None = None
    # Only what cancels their own waiting ends the generators below: whatever else leaves the loop
    # abandons them.
    with trio.CancelScope() as enough:
        async for packed in response.aiter_bytes() if is_read else raw:
            if left <= 0 or problem is not None:
                continue  # what a transport still had, before it saw that it is cancelled
            try:
                for piece in unpacker.pieces(packed):
                    await body.add(piece[:left])
                    left -= len(piece)
                    if left <= 0:
                        enough.cancel()
                        break
            except (SourceAway, OSError) as error:
                problem = error
                enough.cancel()
    if problem is not None:
        raise problem
    if left > 0:
        unpacker.finish()
    return left
