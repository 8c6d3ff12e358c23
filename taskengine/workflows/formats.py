"""Formats of strings in the schemas of workflow files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from taskengine.times import parse_offset, parse_ticks, parse_time
from taskengine.workflows.patterns import matches

LONGEST_NAME: Final = 150  # bytes: manifests' names have 63 besides, file systems take 255
POSITION: Final = r"^[ \t\r\n]*(([0-9]+:)?[0-9]+:)?[0-9]+(\.[0-9]+)?[ \t\r\n]*$"
_HEX: Final = "[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}"
KEY: Final = rf"^[ \t\r\n]*({_HEX}|[A-Za-z0-9+/]{{22}}==)[ \t\r\n]*$"
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class TextFormat:
    """What a string has to be, for the machine and in words."""

    accepts: Callable[[str], bool]
    words: str


def is_http_url(text: str) -> bool:
    """What the format `http-url` asks for."""
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        return False
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def is_file_name(text: str) -> bool:
    """What the format `file-name` asks for: it leads into no other folder, on any storage."""
    is_plain = not set("/\\") & set(text) and CONTROL.search(text) is None
    return is_plain and text not in ("", ".", "..") and _size(text) <= LONGEST_NAME


def is_folder(text: str) -> bool:
    """What the format `folder` asks for: a folder below its root, and not the root itself."""
    steps = text.split("/")
    return ".." not in steps and bool(set(text) - set("./")) and CONTROL.search(text) is None


def is_moment(text: str) -> bool:
    """What the format `moment` asks for: a time, or an offset from where a stream begins."""
    return parse_offset(text) is not None or is_utc_time(text)


def is_utc_time(text: str) -> bool:
    """What the format `utc-time` asks for: a time, UTC where it names no zone."""
    try:
        return bool(parse_time(text))
    except ValueError:
        return False


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


FORMATS: Final[Mapping[str, TextFormat]] = {
    "http-url": TextFormat(is_http_url, "an http or https URL"),
    "file-name": TextFormat(
        is_file_name,
        f"a name of at most {LONGEST_NAME} bytes, without / and \\ and control characters",
    ),
    "position": TextFormat(
        lambda text: matches(POSITION, text), "a position in seconds, as mm:ss or as hh:mm:ss"
    ),
    "key": TextFormat(
        lambda text: matches(KEY, text), "a key of 32 hexadecimal digits or base64 of 16 bytes"
    ),
    "moment": TextFormat(is_moment, "a UTC time such as 2031-01-05T10:00:00.000Z, or hh:mm:ss"),
    "utc-time": TextFormat(is_utc_time, "a UTC time such as 2031-01-05T10:00:00.000Z"),
    "ticks": TextFormat(
        lambda text: parse_ticks(text, 1) is not None, "hh:mm:ss or a whole number of ticks"
    ),
    "folder": TextFormat(is_folder, 'a folder below the root, without ".."'),
}
