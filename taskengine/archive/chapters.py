"""Chapters: an archive lies in folders of ten minutes, each with the segments that begin in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from taskengine.capture.model import Time
from taskengine.capture.moments import as_utc, since_epoch

SECONDS: Final = 600
EDGE: Final = Fraction(1, 3)  # seconds: origins tell the start of one segment not quite alike
FORM: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, order=True)
class Chapter:
    """`number` counts from 1970."""

    number: int

    @property
    def start(self) -> Time:
        return Fraction(self.number * SECONDS)

    @property
    def end(self) -> Time:
        return self.start + SECONDS

    @property
    def folder(self) -> str:
        return as_utc(self.start).strftime(FORM)

    def holds(self, start: Time) -> bool:
        """Whether a segment that begins then lies in it."""
        return chapter_of(start + EDGE) == self

    @property
    def next(self) -> Chapter:
        return Chapter(self.number + 1)


def chapter_of(time: Time) -> Chapter:
    return Chapter(int(time // SECONDS))


def named_chapters(folders: Iterable[str]) -> list[Chapter]:
    """Those of an archive's folders that are chapters, in their order."""
    return sorted(one for name in folders if (one := _parsed(name)) is not None)


def _parsed(name: str) -> Chapter | None:
    try:
        return chapter_of(since_epoch(datetime.strptime(name, FORM).replace(tzinfo=UTC)))
    except ValueError:
        return None
