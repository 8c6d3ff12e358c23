"""Text that any store can keep: NUL and lone surrogates have no place in a database (rule 17).
And what is said of a name that nobody knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches

_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text with U+FFFD in place of what cannot be kept."""
    return _UNKEEPABLE.sub("\ufffd", text)


def compact(value: object) -> str:
    """A value as JSON without spaces. Raises ValueError for what JSON cannot say."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def like(name: str, names: Iterable[str]) -> str:
    """A guess at what was meant, for the end of a message."""
    found = closest(name, names)
    return f"; is {found!r} meant?" if found else ""


def closest(name: str, names: Iterable[str]) -> str | None:
    """The name that is most like it, if any is."""
    known = {known.lower(): known for known in names}
    close = get_close_matches(name.lower(), [*known], n=1)
    return known[close[0]] if close else None
