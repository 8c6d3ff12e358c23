"""Caption files: SubRip or WebVTT in any usual encoding, to WebVTT."""

from __future__ import annotations

from pathlib import Path

import trio

from taskengine.media.ffmpeg import ffmpeg, refuse, source
from taskengine.media.tools import Bench
from taskengine.runtime.process import ProcessFailed


async def to_webvtt(bench: Bench, path: Path, target: Path, label: str) -> None:
    """Convert a caption file; PermanentFailure names it by its label if it cannot be read."""
    plain = target.with_name(f"{target.stem}-utf8{path.suffix.lower()}")
    await trio.to_thread.run_sync(_decode, path, plain)
    try:
        await ffmpeg(bench, *source(plain), "-map", "0:s:0", "-c:s", "webvtt", "-f", "webvtt",
                     f"file:{target}")  # fmt: skip
    except ProcessFailed as failure:
        refuse(failure, plain, label, "is no caption file")


def _decode(path: Path, plain: Path) -> None:
    """Old caption files are in Windows-1252, in which every byte but five means something."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    plain.write_text(text, encoding="utf-8")
