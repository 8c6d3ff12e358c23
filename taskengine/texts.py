"""Text that any store can keep: NUL and lone surrogates have no place in a database (rule 17)."""

from __future__ import annotations

import json
import re

_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text with U+FFFD in place of what cannot be kept."""
    return _UNKEEPABLE.sub("\ufffd", text)


def compact(value: object) -> str:
    """A value as JSON without spaces. Raises ValueError for what JSON cannot say."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
