"""CEA-708 captions as cues (ANSI/CTA-708-E): services 1 to 6, the texts of their windows.

Windows that are seen stand below each other, in the order in which they lie on the screen; pens,
colours and effects are left out. Text that is written letter by letter is shown whole, from its
first letter on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from taskengine.capture.cues import Cue, escaped
from taskengine.capture.model import Time
from taskengine.media.cc_data import CcData

SERVICES: Final = range(1, 7)
EXTENDED: Final = 7  # a service number that another one follows
START, MORE = 3, 2  # types of triples
LARGEST: Final = 128  # bytes of a packet
NOTES: Final = {0x7F: "♪"}  # of G0, which is ASCII else
G2: Final = {
    0x20: " ", 0x21: "\u00a0", 0x25: "…", 0x2A: "Š", 0x2C: "Œ", 0x30: "█", 0x31: "‘", 0x32: "’",
    0x33: "“", 0x34: "”", 0x35: "•", 0x39: "™", 0x3A: "š", 0x3C: "œ", 0x3D: "℠", 0x3F: "Ÿ",
    0x76: "⅛", 0x77: "⅜", 0x78: "⅝", 0x79: "⅞", 0x7A: "│", 0x7B: "┐", 0x7C: "└", 0x7D: "─",
    0x7E: "┘", 0x7F: "┌",
}  # fmt: skip
UNKNOWN: Final = "_"  # for letters of G2 and G3 that no decoder has to know (7.1.7)
C1_BYTES: Final = (*[0] * 8, *[1] * 6, 0, 0, 2, 3, 2, *[0] * 4, 4, *[6] * 8)  # from 0x80 on


@dataclass(slots=True)
class CaptionWindow:
    """Letters by row and column, of at most `rows`; `place` orders it among the others."""

    rows: int
    place: tuple[int, int]
    is_seen: bool
    row: int = 0
    column: int = 0
    letters: dict[int, dict[int, str]] = field(default_factory=dict)

    def write(self, letter: str) -> None:
        self.letters.setdefault(self.row, {})[self.column] = letter
        self.column += 1

    def next_line(self) -> None:
        """The first row goes where there is no room."""
        self.row, self.column = self.row + 1, 0
        if self.row >= self.rows:
            self.row = self.rows - 1
            rolled = {row - 1: own for row, own in self.letters.items()}
            self.letters = {row: own for row, own in rolled.items() if row >= 0}

    def step_back(self) -> None:
        self.column = max(0, self.column - 1)
        self.letters.get(self.row, {}).pop(self.column, None)

    def clear(self) -> None:
        self.letters, self.row, self.column = {}, 0, 0

    def lines(self) -> Iterator[str]:
        for row in sorted(self.letters):
            own = self.letters[row]
            if own:
                last = max(own) + 1
                yield "".join(own.get(n, " ") for n in range(min(own), last)).strip()


@dataclass(slots=True)
class CaptionService:
    """What a viewer of one service sees; `cues` are what was seen so far."""

    cues: list[Cue] = field(default_factory=list)
    windows: dict[int, CaptionWindow] = field(default_factory=dict)
    current: int | None = None
    _since: Time | None = None  # what is seen was begun then
    _text: str = ""  # what is seen, once it is whole
    _is_whole: bool = True
    _waits_until: Time = Fraction(0)

    def take(self, data: bytes, time: Time) -> None:
        """A block of the service."""
        place = 0
        while place < len(data):
            place += self._code(data, place, max(time, self._waits_until))

    def end(self, time: Time) -> None:
        """Nothing is seen any more, and nothing is left of what came before."""
        self._change(time, self._reset)

    def _code(self, data: bytes, place: int, time: Time) -> int:
        """How many bytes it has."""
        code = data[place]
        if code == 0x10:
            return self._extended(data[place + 1 : place + 3], time)
        if code < 0x20:
            self._control(code, time)
            return 1 + (code >= 0x10) + (code >= 0x18)
        if 0x80 <= code < 0xA0:
            number = C1_BYTES[code - 0x80]
            given = data[place + 1 : place + 1 + number]
            if len(given) == number:
                self._command(code, given, time)
            return 1 + number
        self._write(NOTES.get(code, chr(code)), time)
        return 1

    def _extended(self, data: bytes, time: Time) -> int:
        """Of the sets behind EXT1."""
        code = data[0] if data else 0
        if code < 0x20:
            return 2 + code // 8
        if 0x80 <= code < 0x90:
            return 2 + (4 if code < 0x88 else 5)
        if 0x90 <= code < 0xA0:
            return 3 + (data[1] & 0x3F if len(data) > 1 else 0)
        self._write("[CC]" if code == 0xA0 else G2.get(code, UNKNOWN), time)
        return 2

    def _control(self, code: int, time: Time) -> None:
        window = self._window
        if window is None:
            return
        if code == 0x08:
            self._change(time, window.step_back)
        elif code == 0x0C:
            self._change(time, window.clear)
        elif code == 0x0D:
            self._settle()
            window.next_line()
        elif code == 0x0E:
            row, window.column = window.row, 0
            self._change(time, lambda: window.letters.pop(row, None))

    def _command(self, code: int, given: bytes, time: Time) -> None:
        if code < 0x88:
            self.current = code & 7
        elif code < 0x8D:
            ids = [n for n in self.windows if given[0] >> n & 1]
            self._change(time, lambda: self._of_windows(code, ids))
        elif code == 0x8D:
            self._waits_until = time + Fraction(given[0], 10)
        elif code == 0x8E:
            self._waits_until = Fraction(0)
        elif code == 0x8F:
            self._change(time, self._reset)
        elif code == 0x92 and (window := self._window) is not None:
            window.row, window.column = min(given[0] & 15, window.rows - 1), given[1] & 63
        elif code >= 0x98:
            self._change(time, lambda: self._define(code & 7, given))

    def _of_windows(self, code: int, ids: Sequence[int]) -> None:
        """Clear, display, hide, toggle or delete them."""
        for n in ids:
            window = self.windows[n]
            if code == 0x88:
                window.clear()
            elif code == 0x8C:
                del self.windows[n]
            else:
                window.is_seen = {0x89: True, 0x8A: False}.get(code, not window.is_seen)

    def _define(self, number: int, given: bytes) -> None:
        """Anew, or one that is there, which keeps what is written in it."""
        is_seen, rows = bool(given[0] & 0x20), 1 + (given[3] & 15)
        place = given[1] & 0x7F, given[2]
        self.current = number
        known = self.windows.get(number)
        if known is None or known.rows != rows:
            self.windows[number] = CaptionWindow(rows, place, is_seen)
        else:
            known.place, known.is_seen = place, is_seen

    def _reset(self) -> None:
        self.windows.clear()
        self.current, self._waits_until = None, Fraction(0)

    @property
    def _window(self) -> CaptionWindow | None:
        return None if self.current is None else self.windows.get(self.current)

    def _write(self, letter: str, time: Time) -> None:
        window = self._window
        if window is None:
            return
        if window.is_seen and self._is_whole:  # a letter is seen at once
            self._close(time)
            self._since, self._is_whole = time, False
        window.write(letter)

    def _seen(self) -> str:
        shown = sorted((w for w in self.windows.values() if w.is_seen), key=lambda w: w.place)
        return "\n".join(line for window in shown for line in window.lines() if line)

    def _change(self, time: Time, act: Callable[[], object]) -> None:
        """What may end what is seen, and show something else."""
        before = self._seen()
        told = self._text if self._is_whole else before
        act()
        after = self._seen()
        if after != before:
            self._text, self._is_whole = told, True
            self._close(time)
            self._since, self._text, self._is_whole = time, after, True

    def _settle(self) -> None:
        """No more letters come to what is seen."""
        if not self._is_whole:
            self._text, self._is_whole = self._seen(), True

    def _close(self, time: Time) -> None:
        if self._text and self._since is not None and self._since < time:
            self.cues.append(Cue(self._since, time, escaped(self._text)))


@dataclass(slots=True)
class CaptionPackets:
    """The services of a programme, out of the triples of its pictures."""

    services: dict[int, CaptionService] = field(default_factory=dict)  # those that are used
    _packet: bytearray = field(default_factory=bytearray)
    _size: int = 0

    def take(self, one: CcData) -> None:
        for kind, first, second in one.triples:
            if kind == START:
                self._packet, self._size = bytearray(), 2 * (first & 63) or LARGEST
            if kind in (START, MORE) and self._size:
                self._packet += bytes((first, second))
                if len(self._packet) >= self._size:
                    self._open(bytes(self._packet[1 : self._size]), one.time)
                    self._size = 0

    def end(self, time: Time) -> None:
        """Of a stretch of pictures: what comes then has nothing to do with what came."""
        self._size = 0
        for service in self.services.values():
            service.end(time)

    @property
    def cues(self) -> dict[str, list[Cue]]:
        """By name, `SERVICE1` to `SERVICE6`."""
        return {f"SERVICE{n}": self.services[n].cues for n in sorted(self.services)}

    def _open(self, data: bytes, time: Time) -> None:
        place = 0
        while place < len(data):
            number, size = data[place] >> 5, data[place] & 31
            place += 1
            if number == EXTENDED and size and place < len(data):
                number, place = data[place] & 63, place + 1
            if not number:
                return  # the rest is padding
            if number in SERVICES and size:
                self.services.setdefault(number, CaptionService()).take(
                    data[place : place + size], time
                )
            place += size
