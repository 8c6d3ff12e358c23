"""The grammar of HLS playlists (RFC 8216 and its second edition): lines, attributes, times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from urllib.parse import parse_qs, urljoin, urlsplit

from taskengine.capture.model import Resource, SourceRefused, Time
from taskengine.capture.moments import read_timestamp
from taskengine.capture.sources.addresses import MAX_ADDRESS, Addresses

# Anchored, and its parts bounded: the time that it takes grows with the text, not its square.
ATTRIBUTE = re.compile(r'(?:^|,)\s{0,20}([A-Z0-9-]{1,100})=("[^"]*"|[^",]*)(?=,|$)')
VARIABLE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")
PLAIN = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*")  # what is simply appended
LONGEST = 86_400  # seconds of a segment; more is a mistake
MAX_VARIABLES = 100
MAX_LINE = 1 << 16  # characters, its variables filled in
MAX_GROWTH = 16 << 20  # characters that variables add to a playlist


@dataclass(frozen=True, slots=True)
class Tag:
    """A line `#NAME:value`, or the URI of what the tags before it are about (name empty)."""

    name: str
    value: str

    @property
    def attributes(self) -> Mapping[str, str]:
        return {name: text.strip('"') for name, text in ATTRIBUTE.findall(self.value)}


@dataclass(slots=True)
class Lines:
    """The tags of a playlist, its variables filled in (EXT-X-DEFINE)."""

    text: str
    url: str
    imported: Mapping[str, str] = field(default_factory=dict)  # variables of the master
    variables: dict[str, str] = field(default_factory=dict)
    _folder: str = field(init=False)
    _addresses: Addresses = field(default_factory=Addresses)
    _growth: int = 0

    def __post_init__(self) -> None:
        self._folder = urljoin(self.url, ".")

    def __iter__(self) -> Iterator[Tag]:
        """Raises SourceRefused for a text that is no playlist."""
        lines = self.text.lstrip("\ufeff").splitlines()
        if not lines or not lines[0].startswith("#EXTM3U"):
            raise SourceRefused("it is no HLS playlist: it does not begin with #EXTM3U")
        for line in map(str.strip, lines[1:]):
            if not line.startswith("#"):
                if line:
                    yield Tag("", self._filled(line))
            elif line.startswith("#EXT"):
                name, _, value = line[1:].partition(":")
                if name == "EXT-X-DEFINE":
                    self._define(Tag(name, value).attributes)
                else:
                    yield Tag(name, self._filled(value))

    def resolved(self, uri: str, limit: int = MAX_ADDRESS) -> str:
        """Raises SourceRefused for one that is too long."""
        joined = self._folder + uri if PLAIN.fullmatch(uri) else urljoin(self.url, uri)
        return self._addresses.checked(joined, limit)

    def _define(self, attributes: Mapping[str, str]) -> None:
        if len(self.variables) >= MAX_VARIABLES:
            raise SourceRefused(f"it defines more than {MAX_VARIABLES} variables")
        if name := attributes.get("NAME"):
            self.variables[name] = attributes.get("VALUE", "")
        elif name := attributes.get("IMPORT"):
            self.variables[name] = self.imported.get(name, "")
        elif name := attributes.get("QUERYPARAM"):
            self.variables[name] = parse_qs(urlsplit(self.url).query).get(name, [""])[0]

    def _filled(self, text: str) -> str:
        if self.variables:
            before = len(text)
            text = VARIABLE.sub(lambda found: self.variables.get(found[1], found[0]), text)
            self._growth += max(0, len(text) - before)
        if self._growth > MAX_GROWTH:
            raise SourceRefused(f"its variables add more than {MAX_GROWTH} characters")
        if len(text) > MAX_LINE:
            raise SourceRefused("a line of it is too long")
        return text


def seconds(text: str) -> Fraction:
    """A duration. Raises SourceRefused for what is none, or too long for a segment."""
    number = text.partition(",")[0].strip()
    if not re.fullmatch(r"\d{1,9}(\.\d{0,12})?", number) or (found := Fraction(number)) > LONGEST:
        raise SourceRefused(f"a duration of {number[:40]!r}: expected seconds below {LONGEST}")
    return found


def whole(text: str, default: int = 0) -> int:
    """A decimal integer; the default for what is none."""
    return int(text) if re.fullmatch(r"\d{1,18}", text.strip()) else default


def stated_time(text: str) -> Time | None:
    """EXT-X-PROGRAM-DATE-TIME; None for what cannot be read, as if there was no tag."""
    try:
        return read_timestamp(text)
    except ValueError:
        return None


def byte_range(url: str, text: str, following: int) -> Resource:
    """`<length>[@<offset>]`; without an offset it follows the range before."""
    length, _, offset = text.strip('"').partition("@")
    if not whole(length):
        raise SourceRefused(f"a byte range of {text[:40]!r}: expected <length>[@<offset>]")
    return Resource(url, whole(offset) if offset else following, whole(length))
