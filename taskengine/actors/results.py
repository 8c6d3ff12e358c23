"""What actions return, as the store and later tasks can take it."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import partial
from typing import Any

from taskengine.masking import without
from taskengine.model import PermanentFailure
from taskengine.runtime.threads import AT_ONCE, in_thread
from taskengine.texts import MAX_DEPTH, clean_json, compact, is_clean, is_too_deep, words_of

MAX_RESULT = 1 << 20  # characters of JSON
HOLDERS: tuple[Any, ...] = (str, dict, list, tuple)
MAX_LOOKED_AT = 500  # values that are looked at to see that a result is small


async def encode_result(result: object, secrets: Collection[str] = ()) -> str | None:
    """A result as JSON, without these secrets; None if it is empty. Raises PermanentFailure if it
    is not a JSON object or too large, and whatever an object of a class of its own raises
    when it is looked at: here, once, and never again."""
    if result is None:
        return None
    size = _guess(result)
    text = "" if size > MAX_RESULT else await in_thread(partial(_text, result, secrets), size)
    if not issubclass(type(result), dict) or not 0 < len(text) <= MAX_RESULT:
        raise PermanentFailure(f"the action's result is no JSON object of {MAX_RESULT} characters")
    return text if text != "{}" else None


async def extras_of(result: str | None, names: Collection[str]) -> str:
    """What the task's callback has besides, as JSON: these keys of what the action returned. The
    fields that every callback has are not to be replaced."""
    if not result or not names:
        return ""
    return await in_thread(partial(_extras, result, names), len(result))


def _extras(result: str, names: Collection[str]) -> str:
    returned = json.loads(result)
    return compact({name: returned[name] for name in names if name in returned})


def _text(result: object, secrets: Collection[str]) -> str:
    """As stores, pages and templates can take it: without NUL and lone surrogates, and with as many
    levels as a submission may have. Raises PermanentFailure."""
    try:
        text = compact(result)
        return text if not secrets and _is_plain(text) else _plain(text, secrets)
    except (TypeError, ValueError, RecursionError) as error:
        raise PermanentFailure(
            f"the action's result is no JSON object: {words_of(error)}"
        ) from None


def _is_plain(text: str) -> bool:
    return is_clean(text) and text.count("{") + text.count("[") <= MAX_DEPTH


def _plain(text: str, secrets: Collection[str]) -> str:
    """Plain values are looked at: others may say something else each time."""
    value = json.loads(text)
    if is_too_deep(value):
        raise PermanentFailure(f"the action's result is nested deeper than {MAX_DEPTH} levels")
    return compact(without(clean_json(value), secrets))


def _guess(result: object) -> int:
    """Its size at least: exact where it is small, else more than all that is small. Objects with a
    class of their own are asked for nothing."""
    size, pending = 0, [result]
    for _ in range(MAX_LOOKED_AT):
        if not pending or size > AT_ONCE:
            return size
        item: Any = pending.pop()
        kind = next((one for one in HOLDERS if issubclass(type(item), one)), None)
        size += 1 + (kind.__len__(item) if kind else 0)
        if size <= AT_ONCE and kind is dict:
            pending += [*dict.keys(item), *dict.values(item)]
        elif size <= AT_ONCE and kind in (list, tuple):
            pending += kind.__iter__(item)
    return max(size, AT_ONCE + 1)
