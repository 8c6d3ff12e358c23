"""Track selection expressions of clips (A40, A76): read once, never handed to a tool."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from taskengine.capture.model import SourceTrack
from taskengine.capture.sources.matching import same_language

Matches = Callable[[SourceTrack], bool]
Value = str | int

LONGEST: Final = 2_000  # characters
DEEPEST: Final = 20  # parentheses
TOKEN: Final = re.compile(
    r"\s*(?:(?P<operator>\|\||&&|==|!=|<=|>=|<|>|\(|\))"
    r'|\\?"(?P<text>[^"\\]{0,64})\\?"|(?P<number>\d{1,12})|(?P<name>[A-Za-z]{1,32}))\s*'
)
COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NUMBERS: Final[Mapping[str, Callable[[SourceTrack], int]]] = {
    "systembitrate": lambda track: track.bitrate,
    "width": lambda track: track.width,
    "maxwidth": lambda track: track.width,
    "height": lambda track: track.height,
    "maxheight": lambda track: track.height,
}
TEXTS: Final[Mapping[str, Callable[[SourceTrack], str]]] = {
    "type": lambda track: "textstream" if track.type == "text" else track.type,
    "systemlanguage": lambda track: track.language,
    "fourcc": lambda track: track.codec.partition(".")[0],
}
FOURCCS: Final = {"h264": "avc1", "avc3": "avc1", "dvc1": "avc1", "davc": "avc1"} | {
    "hevc": "hvc1",
    "h265": "hvc1",
    "hev1": "hvc1",
    "aacl": "mp4a",
    "aach": "mp4a",
    "aac": "mp4a",
}
KNOWN: Final = "type, systemBitrate, systemLanguage, FourCC, width, height"


class FilterWrong(ValueError):
    """An expression that cannot be read; the message says where."""


def read_filter(text: str) -> Matches:
    """Raises FilterWrong. `&&` binds tighter than `||`; names are taken in any case."""
    if len(text) > LONGEST:
        raise FilterWrong(f"expected at most {LONGEST} characters")
    reader = _FilterReader(text)
    matches = reader.alternatives(0)
    if reader.place < len(text.rstrip()):
        raise FilterWrong(f"unexpected {text[reader.place :][:20]!r}")
    return matches


@dataclass(slots=True)
class _FilterReader:
    text: str
    place: int = 0

    def alternatives(self, depth: int) -> Matches:
        found = [self._conditions(depth)]
        while self._take("||"):
            found.append(self._conditions(depth))
        return lambda track: any(one(track) for one in found)

    def _conditions(self, depth: int) -> Matches:
        found = [self._condition(depth)]
        while self._take("&&"):
            found.append(self._condition(depth))
        return lambda track: all(one(track) for one in found)

    def _condition(self, depth: int) -> Matches:
        if depth > DEEPEST:
            raise FilterWrong(f"expected at most {DEEPEST} parentheses in each other")
        if self._take("("):
            inner = self.alternatives(depth + 1)
            if not self._take(")"):
                raise FilterWrong(f"expected ')' at {self.text[self.place :][:20]!r}")
            return inner
        name, sign, value = self._token("name"), self._token("operator"), self._value()
        return _comparison(name, sign, value)

    def _value(self) -> Value:
        found = TOKEN.match(self.text, self.place)
        if found is None or not (found["text"] is not None or found["number"]):
            raise FilterWrong(f"expected a text or a number at {self.text[self.place :][:20]!r}")
        self.place = found.end()
        return found["text"] if found["text"] is not None else int(found["number"])

    def _token(self, kind: str) -> str:
        found = TOKEN.match(self.text, self.place)
        if found is None or found[kind] is None:
            raise FilterWrong(f"expected a {kind} at {self.text[self.place :][:20]!r}")
        self.place = found.end()
        return found[kind]

    def _take(self, sign: str) -> bool:
        found = TOKEN.match(self.text, self.place)
        if found is None or found["operator"] != sign:
            return False
        self.place = found.end()
        return True


def _comparison(name: str, sign: str, value: Value) -> Matches:
    if sign not in COMPARISONS:
        raise FilterWrong(f"expected a comparison after {name}, got {sign!r}")
    if (number := NUMBERS.get(name.lower())) is not None:
        if isinstance(value, str) and not value.isdigit():
            raise FilterWrong(f"{name}: expected a number, got {value!r}")
        compare, wanted = COMPARISONS[sign], int(value)
        return lambda track: number(track) > 0 and compare(number(track), wanted)
    if (text := TEXTS.get(name.lower())) is None:
        raise FilterWrong(f"there is no field {name!r}; known are {KNOWN}")
    if sign not in ("==", "!="):
        raise FilterWrong(f"{name}: expected == or !=, got {sign!r}")
    return _text_comparison(name.lower(), text, str(value), is_equal=sign == "==")


def _text_comparison(
    name: str, text: Callable[[SourceTrack], str], wanted: str, *, is_equal: bool
) -> Matches:
    """A comparison with what a track does not have is false (A76)."""

    def matches(track: SourceTrack) -> bool:
        own = text(track)
        return own != "" and _is_same(name, own, wanted) == is_equal

    return matches


def _is_same(name: str, own: str, wanted: str) -> bool:
    if name == "systemlanguage":
        return same_language(own, wanted)
    first, second = own.lower(), wanted.lower()
    if name == "fourcc":
        return FOURCCS.get(first, first) == FOURCCS.get(second, second)
    return first == second or (first == "textstream" and second == "text")
