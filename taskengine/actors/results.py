"""What actions return, as the store and later tasks can take it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from taskengine.masking import without
from taskengine.model import Json, PermanentFailure
from taskengine.runtime.threads import AT_ONCE, in_thread
from taskengine.texts import MAX_DEPTH, clean_text, compact, words_of

MAX_RESULT = 1 << 20  # characters of JSON
HOLDERS: tuple[Any, ...] = (str, dict, list, tuple)
BITS_PER_DIGIT = 4  # of a number; somewhat more than there are
MAX_LOOKED_AT = 500  # values that are looked at to see that a result is small


async def encode_result(result: object, secrets: Collection[str] = ()) -> str | None:
    """A result as JSON, without these secrets; None if it is empty. Raises PermanentFailure if it
    is not a JSON object or too large. What classes of an action's own say of themselves is never
    asked: it may take for ever, or be something else each time."""
    if result is None:
        return None
    if not issubclass(type(result), dict):
        raise PermanentFailure(f"the action's result is no JSON object of {MAX_RESULT} characters")
    text = await in_thread(partial(_text, result, secrets), _guess(result))
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
    """Raises PermanentFailure."""
    try:
        text = compact(without(_Copy().of(result), secrets))
        if len(text) <= MAX_RESULT:
            return text
        problem = f"it has more than {MAX_RESULT} characters"
    except (TypeError, ValueError) as error:
        problem = words_of(error)
    raise PermanentFailure(
        f"the action's result is no JSON object of {MAX_RESULT} characters: {problem}"
    )


@dataclass(slots=True)
class _Copy:
    """Copies a result into plain values that stores, pages and templates can take: without NUL and
    lone surrogates, and with as many levels as a submission may have. It stops where the JSON would
    be too long, so that a list that is in itself a thousand times costs no more than it may."""

    room: int = MAX_RESULT  # characters of JSON that may still come

    def of(self, value: Any, levels: int = MAX_DEPTH) -> Json:
        """Raises TypeError and ValueError for what JSON cannot say."""
        self._take(1)
        kind = type(value)
        if value is None or kind is bool:
            return value
        if issubclass(kind, str):
            return self._words(value)
        if issubclass(kind, int):
            self._take(int.bit_length(value) // BITS_PER_DIGIT)
            return int.__int__(value)
        if issubclass(kind, float):
            return float.__float__(value)
        if not levels:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        if issubclass(kind, dict):
            return {self._key(key): self.of(one, levels - 1) for key, one in dict.items(value)}
        if issubclass(kind, list | tuple):
            holder = list if issubclass(kind, list) else tuple
            return [self.of(one, levels - 1) for one in holder.__iter__(value)]
        raise TypeError(f"it has a value of the type {type.__dict__['__name__'].__get__(kind)}")

    def _words(self, value: str) -> str:
        self._take(str.__len__(value))
        return clean_text(str.__str__(value))

    def _key(self, key: Any) -> str:
        """Numbers and the like become what JSON has in their place."""
        if issubclass(type(key), str):
            return self._words(key)
        if key is None or issubclass(type(key), int | float):
            return compact(self.of(key))
        raise TypeError("it has a key that is no text")

    def _take(self, characters: int) -> None:
        self.room -= characters
        if self.room < 0:
            raise ValueError("it has too many")


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
