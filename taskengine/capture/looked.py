"""A stretch of pictures that was looked at, and how long its pieces are in a result."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from taskengine.capture.model import Time
from taskengine.capture.packets import Format
from taskengine.capture.pieces import Piece, Stretch
from taskengine.media.fragments import Header

SAME_RATE: Final = Fraction(1, 10_000)


@dataclass(frozen=True, slots=True)
class Looked:
    """A stretch of pictures with what its file is. `late` is by how many seconds the tools that
    looked at it tell later times than the file says, by which its sound goes."""

    stretch: Stretch
    format: Format
    is_open: bool
    header: Header | None = None  # of fragments whose samples can be told apart
    late: Time = Fraction(0)

    def fits(self, model: Format) -> bool:
        """Its pictures can stand beside those of the model as they are."""
        return self.format.likeness == model.likeness and self.has_rate(model)

    def number(self, piece: Piece, model: Format) -> int:
        """How many pictures a piece gives."""
        if self.has_rate(model):
            return piece.number
        return max(1, round((piece.end - piece.start) * model.frame_rate))

    def length(self, piece: Piece, model: Format) -> Time:
        """How long a piece is shown in the result."""
        if self.has_rate(model):
            return piece.end - piece.start
        return self.number(piece, model) / model.frame_rate

    def has_rate(self, model: Format) -> bool:
        """Its pictures follow each other as those of the model."""
        return abs(self.format.frame_rate / model.frame_rate - 1) < SAME_RATE


def blank_number(piece: Piece, model: Format) -> int:
    """How many black pictures a piece has."""
    return max(1, round((piece.end - piece.start) * model.frame_rate))
