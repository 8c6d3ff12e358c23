"""What actions return, as the store and later tasks can take it."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import partial

from taskengine.masking import without
from taskengine.model import Json, PermanentFailure
from taskengine.runtime.threads import AT_ONCE, in_thread
from taskengine.texts import compact

LIMIT = 1 << 20  # characters of JSON
FEW = 500  # values that are looked at to see that a result is small


async def told(result: object, secrets: Collection[str] = ()) -> str | None:
    """A result as JSON, without these secrets; None where it says nothing. From here on it is text:
    an object of a class of its own may say something else the next time that it is asked. Raises
    PermanentFailure for what is no JSON object, or too large."""
    if result is None:
        return None
    text = await in_thread(partial(_text, result, secrets), _guess(result))
    if not issubclass(type(result), dict) or len(text) > LIMIT:
        raise PermanentFailure(f"the action's result is no JSON object of {LIMIT} characters")
    return text if text != "{}" else None


def _text(result: object, secrets: Collection[str]) -> str:
    try:
        text = compact(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise PermanentFailure(f"the action's result is no JSON object: {error}") from None
    return compact(without(json.loads(text), secrets)) if secrets else text


def _guess(result: Json) -> int:
    """Its size where it is small, else more than all that is small."""
    size, pending = 0, [result]
    for _ in range(FEW):
        if not pending:
            return size
        item = pending.pop()
        size += len(item) if isinstance(item, str | dict | list | tuple) else 1
        if size > AT_ONCE or (isinstance(item, dict | list | tuple) and len(item) > FEW):
            break
        if isinstance(item, dict):
            pending += [*item, *item.values()]
        elif isinstance(item, list | tuple):
            pending += item
    return 2 * AT_ONCE
