"""JSON answers, their keys in the order of the contract."""

from __future__ import annotations

import json
from collections.abc import Mapping

from quart import Response

from taskengine.model import Json


def reply(value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return json_reply(dumps(value), status, headers)


def json_reply(
    text: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The same of what is JSON already."""
    return Response(text, status, dict(headers or {}), content_type="application/json")


def dumps(value: Json) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
