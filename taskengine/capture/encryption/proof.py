"""Whether what a key opened is media: a few pictures, or some sound, are decoded.

Structure says nothing: sizes and heads are in the clear, whatever the key. Garbage can hardly be
decoded, and a decoder that hides damage may still deliver it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.encryption.fragments import Opened
from taskengine.media.ffmpeg import SAFE_INPUT, ffmpeg, is_shortage, source
from taskengine.media.tools import Bench
from taskengine.runtime.process import ProcessFailed

SECONDS: Final = "1"  # that are decoded where that tells enough
ENOUGH: Final = 10  # encrypted samples that were decoded prove a key
ENOUGH_UNSURE: Final = 250  # of decoders that find an error in every tenth sample of garbage
HARDLY: Final = 60  # of these, below which a wrong key passes more often than once in 500 times


def enough(opened: Opened) -> int:
    """How many encrypted samples like these prove a key."""
    return ENOUGH if opened.is_sure else ENOUGH_UNSURE


@dataclass(slots=True)
class Proof:
    """Decodes what lies in files of the bench."""

    bench: Bench
    _files: int = 0

    async def fails(self, head: bytes, body: Path, opened: Opened) -> bool | None:
        """Whether it cannot be decoded; None if it says nothing, for want of a keyframe."""
        self._files += 1
        path = self.bench.folder / f"proof-{self._files}"
        try:
            await trio.to_thread.run_sync(_put_together, head, body, path)
            return await self._fails(path, opened)
        finally:
            path.unlink(missing_ok=True)

    async def _fails(self, path: Path, opened: Opened) -> bool | None:
        rate = opened.share / 2 if opened.is_sure else 0.0  # of errors that are overlooked
        tolerant = source(path, "-err_detect", "explode", "-max_error_rate", f"{rate:.9f}")
        is_short = opened.is_sure and opened.share == 1
        arguments = ["-map", "0:v?", "-map", "0:a?", *(("-t", SECONDS) if is_short else ())]
        try:
            await ffmpeg(self.bench, *tolerant, *arguments, "-f", "null", "-", careful=False)
        except ProcessFailed as failure:
            if is_shortage(failure):
                raise
            return True if await self._has_keyframe(path) else None
        return False

    async def _has_keyframe(self, path: Path) -> bool:
        """Whether its pictures, if there are any, begin with one."""
        shown: Sequence[str] = ("-show_entries", "packet=flags", "-read_intervals", "%+#1")
        command = [self.bench.tools.ffprobe, "-v", "error", *SAFE_INPUT, *shown, "-of", "csv=p=0"]
        try:
            said = await self.bench.run([*command, "-select_streams", "v:0", "-i", f"file:{path}"])
        except ProcessFailed as failure:
            if is_shortage(failure):
                raise
            return True
        return not said.strip() or "K" in said


def _put_together(head: bytes, body: Path, target: Path) -> None:
    with target.open("wb") as file, body.open("rb") as media:
        file.write(head)
        shutil.copyfileobj(media, file)
