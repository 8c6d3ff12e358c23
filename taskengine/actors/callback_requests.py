"""What a courier makes its requests of, and what it tells of those that fail."""

from __future__ import annotations

import json
from functools import lru_cache

import httpx
import trio

from taskengine.callbacks.options import CallbackOptions
from taskengine.masking import masked_text
from taskengine.model import Lane
from taskengine.texts import clean_text, name_of, words_of

REQUEST_DEADLINE = 15.0  # seconds for a delivery, whatever the receiver does
MAX_KEPT = 1_000  # URLs that are kept parsed


def options_of(lane: Lane) -> CallbackOptions | Exception:
    """Parsed once for a lane; whatever is wrong with them fails its deliveries, one by one."""
    try:
        return CallbackOptions.of(lane.options)
    except Exception as error:
        return error


@lru_cache(maxsize=MAX_KEPT)
def parsed_url(url: str) -> httpx.URL:
    """Once for the callbacks of a lane. Raises httpx.InvalidURL."""
    return httpx.URL(url)


def rendered(options: CallbackOptions, event: str, body: bytes) -> bytes:
    """What a client wants to be sent instead of the contract's body. Raises TemplateError."""
    content = options.content(event, json.loads(body))
    return json.dumps(content, ensure_ascii=False).encode()


def told_failure(error: Exception) -> str:
    """As the delivery log shows it."""
    if isinstance(error, trio.TooSlowError):
        return f"timed out: no answer in {REQUEST_DEADLINE:g} s"
    words = words_of(error)
    told = f"{name_of(error)}: {words}" if words else name_of(error)
    return clean_text(masked_text(told)[:500])
