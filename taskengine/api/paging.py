"""Pages by key: how GET /jobs is told, and tells, where a list goes on (A2)."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from taskengine.api.query import Query
from taskengine.model import BadInput
from taskengine.store import BEFORE, Cursor, JobFilter, Page

DIGEST = 6  # bytes that tell the cursor of another order, or a damaged one
TIMES = ("created_at", "updated_at", "run_at")


def placed(wanted: JobFilter, query: Query) -> JobFilter:
    """The list from the place that the query names. Raises BadInput."""
    before, text = query.number("before"), query.text("cursor")
    if before is not None and wanted.order_by not in BEFORE:
        raise BadInput(f"before: expected order_by={' or '.join(BEFORE)}; else use the cursor")
    after = None if text is None else _cursor(wanted, text)
    return replace(wanted, before=before, after=after)


def next_page(page: Page, wanted: JobFilter, query: Query, path: str) -> dict[str, str]:
    """The Link header (RFC 8288) with all that was asked. It is relative to the path that was
    asked for: in front of a reverse proxy that may have a prefix which nobody knows here."""
    if page.next is None:
        return {}
    by_id = wanted.order_by == "id" and not wanted.ascending
    place = {"before": str(page.next.id)} if by_id else {"cursor": _text(wanted, page.next)}
    asked = {name: values for name, values in query.values.items() if name != "cursor"}
    target = f"{path.rpartition('/')[2]}?{urlencode({**asked, **place}, doseq=True)}"
    return {"Link": f'<{target}>; rel="next"'}


def _text(wanted: JobFilter, cursor: Cursor) -> str:
    value = cursor.value
    told = value.isoformat() if isinstance(value, datetime) else value
    content = json.dumps([told, cursor.id], ensure_ascii=False).encode()
    return urlsafe_b64encode(_digest(wanted, content) + content).decode().rstrip("=")


def _cursor(wanted: JobFilter, text: str) -> Cursor:
    try:
        read = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        digest, content = read[:DIGEST], read[DIGEST:]
        if digest != _digest(wanted, content):
            raise ValueError
        value, job_id = json.loads(content)
        return Cursor(_value(wanted.order_by, value), job_id)
    except (ValueError, TypeError, RecursionError):
        expected = "one of a Link header, with the same order_by and asc"
        raise BadInput(f"cursor: expected {expected}, got {text[:40]!r}") from None


def _value(order: str, told: Any) -> Any:
    return datetime.fromisoformat(told) if order in TIMES else told


def _digest(wanted: JobFilter, content: bytes) -> bytes:
    order = f"{wanted.order_by} {wanted.ascending} ".encode()
    return hashlib.blake2b(order + content, digest_size=DIGEST).digest()
