"""What an attempt tells of itself: log lines without secrets, and how far it has come.

An action that tells something is held up by neither the database nor the recorder: lines wait in
the recorder's mailbox, as many as an attempt may have unwritten. Where these are too many, because
the action writes too fast or the database is away, it waits a little, once; what it writes then is
left out until there is room again, and a line says how much that was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import trio

from taskengine.actors.progress import Progress
from taskengine.masking import STARS, masked_text
from taskengine.messages import Mail, Note
from taskengine.model import Began, Fence, Severity, Written
from taskengine.runtime.clock import Now
from taskengine.runtime.limit import TimeLimit
from taskengine.runtime.mailbox import Address
from taskengine.texts import clean_text

LINE_LIMIT = 16_384  # characters
LINE_RATE = 1_000.0  # lines per second that an attempt may write in the long run
LINE_BURST = 5_000.0  # lines that it may write at once
UNWRITTEN_LINES = 1_000  # of an attempt that may wait to be written,
UNWRITTEN_TEXT = 256 << 10  # and how many characters
ROOM_DEADLINE = 5.0  # seconds that an action waits for room, before lines are left out


@dataclass(slots=True)
class Reporter:
    """Writes in the order told, through the recorder. `limit` is that of the attempt's time."""

    fence: Fence
    recorder: Address[Mail]
    now: Now
    secrets: frozenset[str] = frozenset()  # values that no line may show
    progress: Progress = field(default_factory=Progress)
    limit: TimeLimit = field(default_factory=TimeLimit)
    _paced_until: float = field(default=0.0, init=False)  # when its lines so far are paid for
    _lines: int = field(default=0, init=False)  # unwritten ones
    _text: int = field(default=0, init=False)  # characters of them
    _left_out: int = field(default=0, init=False)  # lines for which there was no room
    _room: trio.Event = field(default_factory=trio.Event, init=False)

    async def begin(self) -> None:
        """The action is about to run."""
        await self.recorder.tell(Note(Began(self.fence, self.now())))

    async def tell(self, severity: Severity, message: str) -> None:
        """A line of the engine's own: there are few, and none is left out."""
        self._say_what_is_missing()
        await self.recorder.tell(Note(self._line(severity, self.clean(message))))

    async def write(self, severity: Severity, message: str) -> None:
        """A line of the action. It waits where it writes too much: neither database nor siblings
        suffer from it."""
        await trio.lowlevel.checkpoint()
        await self._keep_pace()
        line = self._line(severity, self.clean(message))
        if not await self._find_room():
            self._left_out += 1
            return
        self._say_what_is_missing()
        length = len(line.message)
        self._lines += 1
        self._text += length
        await self.recorder.tell(Note(line, partial(self._settle, length)))

    def _line(self, severity: Severity, text: str) -> Written:
        """Raises ValueError for what is no severity."""
        return Written(self.fence, self.now(), text, Severity(severity))

    @property
    def _is_full(self) -> bool:
        return self._lines >= UNWRITTEN_LINES or self._text >= UNWRITTEN_TEXT

    async def _find_room(self) -> bool:
        if self._is_full and not self._left_out:
            with self.limit.paused(), trio.move_on_after(ROOM_DEADLINE):
                while self._is_full:
                    await self._room.wait()
        return not self._is_full

    def _settle(self, length: int) -> None:
        """A line was written, or given up."""
        self._lines -= 1
        self._text -= length
        self._room.set()
        self._room = trio.Event()

    def _say_what_is_missing(self) -> None:
        if self._left_out:
            text = f"{self._left_out} lines were left out: those before waited to be written"
            self._left_out = 0
            self.recorder.hint(Note(self._line(Severity.WARN, text)))

    def close(self) -> None:
        """The attempt is over."""
        self._say_what_is_missing()

    async def _keep_pace(self) -> None:
        now = trio.current_time()
        self._paced_until = max(self._paced_until, now) + 1 / LINE_RATE
        ahead = self._paced_until - now - LINE_BURST / LINE_RATE
        if ahead > 0:
            await trio.sleep(ahead)

    async def report(self, fraction: float) -> None:
        """How far the attempt has come. Raises ValueError and TypeError for what is no number."""
        await trio.lowlevel.checkpoint()
        self.progress.put(self.fence, min(1.0, max(0.0, float(fraction))))

    def clean(self, text: str) -> str:
        """A text as it may be stored and shown: cut, without secrets, NUL and lone surrogates."""
        by_length = sorted(self.secrets, key=len, reverse=True)  # one may be part of another
        longest = len(by_length[0]) if by_length else 0
        text, is_cut = str.__getitem__(text, slice(LINE_LIMIT + longest)), len(text) > LINE_LIMIT
        for secret in by_length:
            text = text.replace(secret, STARS)
        text = masked_text(text)
        if is_cut:  # what begins behind the limit may be a part of a secret
            text = text[: min(LINE_LIMIT, len(text) - longest)] + " …"
        return clean_text(text)
