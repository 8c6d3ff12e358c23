"""The multivariant playlist of a live stream, made of that of its asset."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

NAME: Final = re.compile(r'URI="([^"]+\.m3u8)"')
SUBTITLES: Final = re.compile(r',SUBTITLES="[^"]*"')


def live_name(name: str) -> str:
    """Of the playlist or MPD that stands for one of the asset."""
    stem, _, extension = name.rpartition(".")
    return f"{stem}_live.{extension}"


def media_playlists(text: str) -> tuple[list[str], bool]:
    """Those of pictures and sound that a multivariant playlist names, and whether it names captions
    besides: a file of them is one segment, as long as the asset."""
    names: dict[str, None] = {}
    has_captions = False
    for line in text.splitlines():
        if "TYPE=SUBTITLES" in line:
            has_captions = True
        elif found := NAME.search(line):
            names[found[1]] = None
        elif line and not line.startswith("#"):
            names[line] = None
    return list(names), has_captions


def live_master(text: str) -> str:
    """The same with the names of live playlists, without captions in files of their own."""
    return "\n".join(_lines(text)) + "\n"


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if "TYPE=SUBTITLES" in line or line.startswith("#EXT-X-I-FRAME-STREAM-INF"):
            continue
        if found := NAME.search(line):
            yield line.replace(found[1], live_name(found[1]))
        elif line and not line.startswith("#"):
            yield live_name(line)
        else:
            yield SUBTITLES.sub("", line)
