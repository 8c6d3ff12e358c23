"""Files that are sources, by their extensions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

ENCODABLE: Final = frozenset({".mp4", ".m4v", ".mov", ".mpg", ".mkv", ".avi"})
SOUND: Final = frozenset({
    ".m4a", ".m4b", ".isma", ".aac", ".ac3", ".ec3", ".eac3", ".mp3", ".wav", ".flac", ".mka",
    ".ogg", ".oga", ".opus",
})  # fmt: skip
MEDIA: Final = ENCODABLE | SOUND | {".mpeg", ".webm", ".ts", ".mts", ".m2ts", ".vob", ".3gp",
                                    ".ismv"}  # fmt: skip
DOCUMENT: Final = ".cpix"  # of keys
CAPTIONS: Final = frozenset({".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp"})


def suffix(name: str) -> str:
    """The extension, in lower case."""
    return PurePosixPath(name).suffix.lower()


def encodable(names: Iterable[str]) -> list[str]:
    """Those that `encode_source` takes."""
    return [name for name in names if suffix(name) in ENCODABLE]


def taken() -> str:
    """The extensions of sources, to be read."""
    return " ".join(sorted(MEDIA | CAPTIONS))
