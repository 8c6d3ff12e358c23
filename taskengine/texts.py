"""Text that any store can keep: NUL and lone surrogates have no place in a database (rule 17)."""

from __future__ import annotations

import re

from taskengine.model import Json

_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text with U+FFFD in place of what cannot be kept."""
    return _UNKEEPABLE.sub("\ufffd", text)


def clean_json(value: Json) -> Json:
    """JSON with clean texts, keys included."""
    match value:
        case str():
            return clean_text(value)
        case list():
            return [clean_json(item) for item in value]
        case dict():
            return {clean_text(key): clean_json(item) for key, item in value.items()}
    return value
