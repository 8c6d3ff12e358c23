"""Pieces of a clip as raw pictures at a rate of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import trio

from taskengine.capture.looked import Looked
from taskengine.capture.pictures import needed, scaled
from taskengine.capture.pieces import Piece
from taskengine.capture.showing import Rendition
from taskengine.capture.splicing import Part
from taskengine.capture.video import VideoCutter
from taskengine.media.copying import concatenate
from taskengine.media.images import Shape
from taskengine.media.probe import OutputWrong


@dataclass(frozen=True, slots=True)
class Frames:
    """`rate` is in pictures a second of the result, which is `speed` times as fast."""

    cutter: VideoCutter
    rendition: Rendition
    shape: Shape
    rate: Fraction
    speed: Fraction

    @property
    def number(self) -> int:
        """How many pictures there will be."""
        return sum(count for _, count in self._counted())

    async def write(self, target: Path) -> None:
        """All of them. Raises OutputWrong for what cannot be decoded."""
        parts = []
        for place, (piece, count) in enumerate(self._counted()):
            part = target.with_suffix(f".{place}")
            await self._piece(piece, count, part)
            parts.append(part)
        await trio.to_thread.run_sync(concatenate, parts, target)
        for part in parts:
            part.unlink()

    def _counted(self) -> Iterator[tuple[Piece, int]]:
        """The pieces that are seen, and how many pictures each has: those that begin in it."""
        at, before = Fraction(0), 0
        for piece in self.rendition.pieces:
            at += (piece.end - piece.start) / self.speed
            after = math.ceil(at * self.rate)
            if after > before:
                yield piece, after - before
            before = after

    async def _piece(self, piece: Piece, count: int, target: Path) -> None:
        one = self.rendition.looked[piece.stretch]
        part = self._part(one, piece)
        rate, speed = float(self.rate), float(self.speed)
        shape = (
            f"setpts=PTS/{speed:.9f},tpad=stop_mode=clone:stop_duration={2 / rate + 1:.6f},"
            f"fps={rate:.9f}:start_time=0:round=up,trim=end_frame={count},"
            f"{scaled(one.format, self.shape)}"
        )
        await self.cutter.show(one, part, shape, target)
        if (found := self.shape.number(target)) != count:
            raise OutputWrong(f"{found} pictures can be decoded instead of {count}")

    def _part(self, one: Looked, piece: Piece) -> Part:
        """From the keyframe of its first picture, if there is one."""
        pictures, last = one.stretch.pictures, piece.last - 1
        end = max(pictures[at].segment for at in (piece.first, last)) + 1
        first = needed(one, piece.first)
        begin = first.begin if first else pictures[piece.first].segment
        return Part(piece.first, piece.last, begin, end, is_copied=False)
