"""httpx on top of httpcore's connections, in httpx's errors, which never tell an address."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import httpcore
import httpx
import trio

from taskengine.receiving import BoundedStream, bounded


class Transport(httpx.AsyncBaseTransport):
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
            stream=_Body(answer.stream, bounded(answer)),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: AsyncIterable[bytes], connection: BoundedStream | None) -> None:
        self._stream, self._connection = stream, connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors_of_httpx():
            async for chunk in self._stream:
                if self._connection is not None:
                    self._connection.was_body(len(chunk))
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
        raise translated(reason(error)) from error


def reason(error: BaseException) -> str:
    """What is at the bottom of an error, without the address."""
    error = _bottom(error)
    if isinstance(error, trio.TooSlowError):
        return "timed out"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def is_refusal(error: Exception) -> bool:
    """Whether no connection came about, whatever was to be sent by it: that is no matter of
    certificates, which not all callers check."""
    return isinstance(error, httpx.ConnectError) and not isinstance(_bottom(error), ssl.SSLError)


def _bottom(error: BaseException) -> BaseException:
    while inner := _inner(error):
        error = inner
    return error


def _inner(error: BaseException) -> BaseException | None:
    if isinstance(error, ExceptionGroup):
        return error.exceptions[0]
    wrapped = error.args[0] if error.args else None  # as httpcore has it; it cuts the chain
    return wrapped if isinstance(wrapped, BaseException) else error.__cause__
