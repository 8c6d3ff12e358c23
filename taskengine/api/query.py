"""Query parameters, read leniently; an empty one is as good as absent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from quart import request

from taskengine.model import BadInput
from taskengine.texts import clean_text
from taskengine.times import parse_time

FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters by name. Every reader raises BadInput naming what it expected."""

    values: dict[str, list[str]]

    @classmethod
    def of_request(cls, *, keep_blank: bool = False) -> Query:
        try:
            text = request.query_string.decode()
            pairs = parse_qsl(text, keep_blank_values=keep_blank, max_num_fields=1000)
        except ValueError:
            raise BadInput("the query has too many parameters") from None
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(clean_text(value).strip())
        return cls(values)

    def text(self, name: str) -> str | None:
        return self.values.get(name, [""])[-1] or None

    def texts(self, name: str) -> list[str]:
        """All values, also of those written as a list with commas."""
        parts = ",".join(self.values.get(name, [])).split(",")
        return [part.strip() for part in parts if part.strip()]

    def flag(self, name: str) -> bool:
        text = self.text(name)
        if text is None:
            return False
        if text.lower() not in FLAGS:
            raise BadInput(f"{name}: expected 1 or 0, got {text[:40]!r}")
        return FLAGS[text.lower()]

    def number(self, name: str, wanted: str | None = None) -> int | None:
        """`wanted`: what is told of one that is none."""
        text = self.text(name)
        return None if text is None else whole(name, text, wanted)

    def time(self, name: str, *, end: bool = False) -> datetime | None:
        """A time; of a date alone its first moment. With `end` the last moment of what is named: a
        date, or a millisecond, since more digits are never shown."""
        text = self.text(name)
        if text is None:
            return None
        try:
            # An unquoted plus sign of a zone arrives as a space.
            time = parse_time(re.sub(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$", r"\1+\2", text))
            span = timedelta(milliseconds=1) if ":" in text else timedelta(days=1)
            return time + (span - timedelta(microseconds=1) if end else timedelta())
        except (ValueError, OverflowError):
            wanted = "a date or a time such as 2020-09-24T11:55:33.755Z"
            raise BadInput(f"{name}: expected {wanted}, got {text[:40]!r}") from None


def whole(name: str, text: str, wanted: str | None = None) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        digits = " of at most 18 digits" if text.isdecimal() else ""
        negative = " of 0 or more" if re.fullmatch(r"-[0-9]+", text) else ""
        wanted = wanted or f"a whole number{digits or negative}"
        raise BadInput(f"{name}: expected {wanted}, got {text[:40]!r}")
    return int(text)
