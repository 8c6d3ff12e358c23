"""JSON answers, their keys in the order of the contract."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TypeVar

from quart import Response

from taskengine.model import Json

T = TypeVar("T")


def reply(value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return json_reply(dumps(value), status, headers)


def json_reply(
    text: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The same of what is JSON already."""
    return Response(text, status, dict(headers or {}), content_type="application/json")


async def array_reply(pages: AsyncIterator[Sequence[T]], shape: Callable[[T], Json]) -> Response:
    """A JSON array of whatever length, sent page by page, in as much time as its reader takes."""
    # An outage is still an answer here, not a broken stream. A list: anext() of Python 3.11 fails
    # with a tuple as default.
    first: Sequence[T] = await anext(pages, [])
    response = Response(_array(first, pages, shape), content_type="application/json")
    response.timeout = None
    return response


async def _array(
    first: Sequence[T], pages: AsyncIterator[Sequence[T]], shape: Callable[[T], Json]
) -> AsyncGenerator[bytes, None]:
    separator = b"["
    async with aclosing(pages):  # type: ignore[type-var]
        page: Sequence[T] | None = first
        while page is not None:
            if page:
                yield separator + b",".join(dumps(shape(one)) for one in page)
                separator = b","
            page = await anext(pages, None)
    yield b"[]" if separator == b"[" else b"]"


def dumps(value: Json) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
