"""CEA-608 captions as cues (ANSI/CTA-608-E): pop-on, roll-up and paint-on, four channels.

What a viewer would see is followed picture by picture. Lines that are written letter by letter
are shown whole, from their first letter on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from taskengine.capture.cues import Cue, escaped
from taskengine.capture.model import Time
from taskengine.media.cc_data import CcData

ROWS: Final = {0: 11, 1: 1, 2: 3, 3: 12, 4: 14, 5: 5, 6: 7, 7: 9}  # of address codes, or the next
COLUMNS: Final = 32
LAST_ROW: Final = 15
PLAIN: Final = {
    0x27: "’", 0x2A: "á", 0x5C: "é", 0x5E: "í", 0x5F: "ó", 0x60: "ú", 0x7B: "ç", 0x7C: "÷",
    0x7D: "Ñ", 0x7E: "ñ", 0x7F: "█",
}  # fmt: skip
SPECIAL: Final = "®°½¿™¢£♪à\u00a0èâêîôû"
EXTENDED: Final = {
    2: "ÁÉÓÚÜü‘¡*'—©℠•“”ÀÂÇÈÊËëÎÏïÔÙùÛ«»",
    3: "ÃãÍÌìÒòÕõ{}\\^_¦~ÄäÖöß¥¤│ÅåØø┌┐└┘",
}

Screen = dict[int, dict[int, str]]  # letters by row and column


@dataclass(slots=True)
class Channel:
    """What a viewer of one channel sees; `cues` are what was seen so far."""

    cues: list[Cue] = field(default_factory=list)
    mode: str = ""  # pop, paint, roll, or none: text for nobody
    rows: int = 2  # of a roll
    row: int = LAST_ROW
    column: int = 0
    _seen: Screen = field(default_factory=dict)
    _hidden: Screen = field(default_factory=dict)
    _since: Time | None = None  # what is seen was begun then
    _text: str = ""  # what is seen, once it is whole
    _is_whole: bool = True

    def write(self, letter: str, time: Time, *, instead: bool = False) -> None:
        if not self.mode:
            return
        if self.mode != "pop":
            self._begin(time)
        screen = self._hidden if self.mode == "pop" else self._seen
        if instead:
            self.column = max(0, self.column - 1)
        screen.setdefault(self.row, {})[self.column] = letter
        self.column = min(self.column + 1, COLUMNS - 1)

    def control(self, code: int, time: Time) -> None:
        """Of the miscellaneous ones."""
        if code in CONTROLS:
            CONTROLS[code](self, time)

    def load(self, _: Time) -> None:
        self.mode = "pop"

    def paint(self, _: Time) -> None:
        self._settle()  # what comes now is another caption
        self.mode = "paint"

    def ignore(self, _: Time) -> None:
        self.mode = ""

    def step_back(self, _: Time) -> None:
        self.column = max(0, self.column - 1)
        self._screen.get(self.row, {}).pop(self.column, None)

    def cut_row(self, _: Time) -> None:
        row = self._screen.get(self.row, {})
        for column in [one for one in row if one >= self.column]:
            del row[column]

    def roll_up(self, rows: int, time: Time) -> None:
        if self.mode != "roll":
            self.end(time)
            self._hidden.clear()
            self.row, self.column = LAST_ROW, 0
        self.mode, self.rows = "roll", rows

    def next_line(self, _: Time) -> None:
        if self.mode != "roll":
            return
        self._settle()
        top = self.row - self.rows + 1
        rolled = {row - 1: letters for row, letters in self._seen.items()}
        self._seen = {row: letters for row, letters in rolled.items() if row >= top}
        self.column = 0

    def clear_hidden(self, _: Time) -> None:
        self._hidden.clear()

    def show(self, time: Time) -> None:
        self.end(time)
        self._seen, self._hidden, self.mode = self._hidden, self._seen, "pop"
        self._since, self._text, self._is_whole = time, _text(self._seen), True

    def place(self, row: int, column: int) -> None:
        if self.mode == "roll" and row != self.row:
            by = row - self.row
            self._seen = {own + by: letters for own, letters in self._seen.items()}
        self.row, self.column = row, column

    def end(self, time: Time) -> None:
        """Nothing is seen any more."""
        self._close(time)
        self._seen.clear()

    @property
    def _screen(self) -> Screen:
        return self._hidden if self.mode == "pop" else self._seen

    def _settle(self) -> None:
        """No more letters come to what is seen."""
        if not self._is_whole:
            self._text, self._is_whole = _text(self._seen), True

    def _begin(self, time: Time) -> None:
        """A letter is seen at once: what was seen before was seen until now."""
        if self._is_whole:
            self._close(time)
            self._since, self._is_whole = time, False

    def _close(self, time: Time) -> None:
        text = self._text if self._is_whole else _text(self._seen)
        if text and self._since is not None and self._since < time:
            self.cues.append(Cue(self._since, time, text))
        self._since, self._text, self._is_whole = None, "", True


CONTROLS: Final[dict[int, Callable[[Channel, Time], None]]] = {
    0x20: Channel.load,
    0x21: Channel.step_back,
    0x24: Channel.cut_row,
    0x25: lambda channel, time: channel.roll_up(2, time),
    0x26: lambda channel, time: channel.roll_up(3, time),
    0x27: lambda channel, time: channel.roll_up(4, time),
    0x29: Channel.paint,
    0x2A: Channel.ignore,
    0x2B: Channel.ignore,
    0x2C: Channel.end,
    0x2D: Channel.next_line,
    0x2E: Channel.clear_hidden,
    0x2F: Channel.show,
}


@dataclass(slots=True)
class Field:
    """One of the two fields of a line: two channels, and data that is no caption."""

    channels: tuple[Channel, Channel] = field(default_factory=lambda: (Channel(), Channel()))
    used: set[int] = field(default_factory=set)
    _current: int = 0
    _is_other: bool = False  # extended data services
    _last: tuple[int, int] | None = None  # a control code, which is sent twice

    def take(self, first: int, second: int, time: Time) -> None:
        first, second = first & 0x7F, second & 0x7F
        if not first and not second:
            return
        if 0x10 <= first < 0x20:
            if self._last == (first, second):
                self._last = None
                return
            self._last = (first, second)
            self._is_other = False
            self._current = first >> 3 & 1
            self.used.add(self._current)
            self._control(first & 7, second, time)
            return
        self._last = None
        if 0 < first < 0x10:
            self._is_other = first != 0x0F
        elif not self._is_other:
            for one in (first, second):
                if one >= 0x20:
                    self.channels[self._current].write(PLAIN.get(one, chr(one)), time)

    def _control(self, kind: int, code: int, time: Time) -> None:
        channel = self.channels[self._current]
        if code >= 0x40:
            row = ROWS[kind] + (code >= 0x60 and kind != 0)
            channel.place(row, (code >> 1 & 7) * 4 if code & 0x10 else 0)
        elif kind in (4, 5) and 0x20 <= code < 0x30:
            channel.control(code, time)
        elif kind == 1 and code >= 0x30:
            channel.write(SPECIAL[code - 0x30], time)
        elif kind == 1 and code >= 0x20:
            channel.write(" ", time)  # letters change their look
        elif kind in EXTENDED and code >= 0x20:
            channel.write(EXTENDED[kind][code - 0x20], time, instead=True)
        elif kind == 7 and 0x21 <= code <= 0x23:
            channel.column = min(channel.column + code - 0x20, COLUMNS - 1)


@dataclass(slots=True)
class Line21:
    """The channels of a programme, out of the triples of its pictures."""

    fields: tuple[Field, Field] = field(default_factory=lambda: (Field(), Field()))

    def take(self, one: CcData) -> None:
        for kind, first, second in one.triples:
            if kind < 2:
                self.fields[kind].take(first, second, one.time)

    def end(self, time: Time) -> None:
        """Nothing is seen any more."""
        for own in self.fields:
            for channel in own.channels:
                channel.end(time)

    @property
    def cues(self) -> dict[str, list[Cue]]:
        """By name, `CC1` to `CC4`, of the channels that are used."""
        return {
            f"CC{2 * place + number + 1}": own.channels[number].cues
            for place, own in enumerate(self.fields)
            for number in sorted(own.used)
        }


def _text(screen: Screen) -> str:
    lines = [_line(screen[row]) for row in sorted(screen)]
    return escaped("\n".join(line for line in lines if line))


def _line(letters: dict[int, str]) -> str:
    if not letters:
        return ""
    return "".join(letters.get(n, " ") for n in range(min(letters), max(letters) + 1)).strip()
