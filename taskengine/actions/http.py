"""Requests to other systems."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import httpx

from taskengine.actions.context import Context
from taskengine.actions.registry import action
from taskengine.model import Json, JsonObject, PermanentFailure
from taskengine.outbound import RequestFailed, exchange
from taskengine.texts import MAX_DEPTH, read_json

BODY_LIMIT: Final = 256 << 10  # bytes of an answer that are kept
PASSING: Final = frozenset({408, 425, 429})  # of 4xx, those that another try may change


@action("http.request")
async def send_request(
    context: Context,
    *,
    url: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: Json = None,
    expect: list[int] | None = None,
    timeout: float = 30.0,  # noqa: ASYNC109 - as workflows name it
) -> JsonObject:
    """Send a request, `body` as JSON; `body` of the result is JSON or text, 256 KiB of it."""
    request = _request(context, method.upper(), url, headers or {}, body, timeout)
    if request.method != "GET":
        await context.confirm()
    told = f"{request.method} {request.url.host}{request.url.path}"
    response, content = await exchange(
        context.http, request, told=told, seconds=timeout, limit=BODY_LIMIT + 1
    )
    _check(told, response.status_code, expect or range(200, 300))
    if len(content) > BODY_LIMIT:
        await context.warn(f"{told}: the answer is longer than {BODY_LIMIT >> 10} KiB, cut there")
    return {
        "status": response.status_code,
        "headers": dict(response.headers),
        "body": _read(response.headers.get("content-type", ""), content[:BODY_LIMIT]),
    }


def _request(
    context: Context,
    method: str,
    url: str,
    headers: dict[str, str],
    body: Json,
    limit: float,
) -> httpx.Request:
    try:
        sent = httpx.Headers({} if method == "GET" else {"idempotency-key": context.key})
        sent.update(headers)
        return context.http.build_request(method, url, headers=sent, json=body, timeout=limit)
    except (httpx.InvalidURL, ValueError) as error:
        raise PermanentFailure(f"{method}: {error}") from error


def _check(told: str, status: int, expected: Sequence[int]) -> None:
    if status in expected:
        return
    if 300 <= status < 500 and status not in PASSING:
        raise PermanentFailure(f"{told}: status {status}")
    raise RequestFailed(f"{told}: status {status}")


def _read(content_type: str, content: bytes) -> Json:
    """JSON if it is said to be and can be stored, else text without NUL."""
    text = content.decode(errors="replace")
    if "json" in content_type.lower():
        try:
            value = read_json(text, MAX_DEPTH - 1)  # a result holds it
            stored = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
            if b"\\u0000" not in stored:
                return value
        except ValueError:
            pass
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
