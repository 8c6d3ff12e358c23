"""Signals of advertising beside a recording, by the same rules: pages that are written once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from taskengine.capture.model import Signal, Time, Window
from taskengine.capture.recording import Recording
from taskengine.capture.signals import MAX_SIGNALS, of_json, to_json

PREFIX: Final = "signals-"
GRAIN: Final = 100  # a second: sayings of one moment are noted once
MAX_PROBLEMS: Final = 20  # lines of a clip
TOO_MANY: Final = f"it signals advertising more than {MAX_SIGNALS} times, the rest is left out"

Key = tuple[str, str, bytes, int]


def key_of(one: Signal) -> Key:
    time: Time = one.time * (1 if one.is_rough else GRAIN)
    return one.kind, one.id, one.section, round(time)


@dataclass(slots=True)
class Noted:
    """The signals of one clip. Where sources say the same, it is noted once."""

    recording: Recording
    found: dict[Key, tuple[int, Signal]] = field(default_factory=dict)  # with the source's place
    is_full: bool = False
    _unwritten: list[dict[str, Any]] = field(default_factory=list)
    _pages: int = 0

    async def load(self) -> None:
        """What earlier attempts have noted."""
        pages = await self.recording.pages(PREFIX)
        for said in [one for page in pages for one in json.loads(page)]:
            signal = of_json(said)
            self.found[key_of(signal)] = (said["source"], signal)
        self._pages = len(pages)

    async def note(self, source: int, signals: Iterable[Signal]) -> None:
        """Those that are new, in a page of their own."""
        for one in signals:
            self.is_full = len(self.found) >= MAX_SIGNALS
            if key_of(one) in self.found or self.is_full:
                continue
            self.found[key_of(one)] = (source, one)
            self._unwritten.append({**to_json(one), "source": source})
        await self.write()

    async def write(self) -> None:
        """What no page has: all of it, also if it was cancelled before."""
        page, self._unwritten = self._unwritten, []
        if not page:
            return
        self._pages += 1
        name = f"{PREFIX}{self.recording.writer}-{self._pages:06}.json"
        try:
            await self.recording.write_note(name, json.dumps(page))
        except BaseException:
            self._unwritten = [*page, *self._unwritten]
            raise

    @property
    def signals(self) -> list[Signal]:
        """Those of the first source before the others'."""
        return [one for _, one in sorted(self.found.values(), key=lambda said: said[0])]


@dataclass(slots=True)
class Listener:
    """Hears what the sources of one clip say of advertising, and tells what it cannot read."""

    recording: Recording
    clip: str
    warn: Callable[[str], Awaitable[None]]
    noted: Noted = field(init=False)
    _problems: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.noted = Noted(self.recording)

    async def hear(self, source: int, window: Window) -> None:
        await self.noted.note(source, window.signals)
        for problem in (*window.problems, *([TOO_MANY] if self.noted.is_full else [])):
            if problem not in self._problems and len(self._problems) < MAX_PROBLEMS:
                self._problems.add(problem)
                await self.warn(f"Source {source} of {self.clip}: {problem}")
