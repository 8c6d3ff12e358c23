"""Text that any store can keep: NUL and lone surrogates have no place in a database (rule 17).
And what is said of a name that nobody knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches

from taskengine.model import Json

_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
MAX_DEPTH = 64  # levels of a JSON document: whoever walks through it calls itself for each
LONGEST = 65_536  # characters of what an error says; an action can raise what it likes


def clean_text(text: str) -> str:
    """The text with U+FFFD in place of what cannot be kept."""
    return _UNKEEPABLE.sub("\ufffd", text)


COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def compact(value: object) -> str:
    """A value as JSON without spaces. Raises ValueError for what JSON cannot say."""
    return COMPACT.encode(value)


def listed(text: str) -> list[str]:
    """The parts between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def like(name: str, names: Iterable[str]) -> str:
    """A guess at what was meant, for the end of a message."""
    found = closest(name, names)
    return f"; is {found!r} meant?" if found else ""


def closest(name: str, names: Iterable[str]) -> str | None:
    """The name that is most like it, if any is."""
    known = {known.lower(): known for known in names}
    close = get_close_matches(name.lower(), [*known], n=1)
    return known[close[0]] if close else None


def is_clean(text: str) -> bool:
    """Whether JSON, as text, has nothing in it that cannot be kept."""
    return "\\u0000" not in text and _UNKEEPABLE.search(text) is None


def clean_json(value: Json) -> Json:
    """The same of all texts in a JSON value."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): clean_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    return value


def read_json(text: str, levels: int = MAX_DEPTH) -> Json:
    """JSON from outside that has so many levels at most. Raises ValueError for anything else."""
    with suppress(RecursionError):
        value = json.loads(text)
        if not is_too_deep(value, levels):
            return value
    raise ValueError(f"it is nested deeper than {levels} levels")


def is_too_deep(value: Json, levels: int = MAX_DEPTH) -> bool:
    """Whether it has more levels; level by level: much faster than a walk through each branch."""
    level: list[Json] = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
    return bool(level)


def name_of(error: BaseException) -> str:
    """The name of its class, whatever the class says of itself."""
    name: str = type.__dict__["__name__"].__get__(type(error))
    return name


def words_of(error: BaseException) -> str:
    """What an error says of itself, cut; a sentence where it cannot even do that (rule 30)."""
    try:
        said: object = str(error)
    except BaseException as another:  # whatever it raises is one more thing it cannot say
        return f"its text cannot be told ({name_of(another)})"
    return str.__str__(said)[:LONGEST] if isinstance(said, str) else ""
