"""What an attempt tells of itself: log lines without secrets, progress not too often."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from taskengine.masking import STARS, masked_text
from taskengine.messages import Finish, Note
from taskengine.model import Began, Fence, Progressed, Severity, Written
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Address
from taskengine.texts import clean_text

LINE_LIMIT = 16_384  # characters
PROGRESS_PAUSE = 0.5  # seconds between two reports
LINE_RATE = 1_000.0  # lines per second that an attempt may write in the long run
LINE_BURST = 5_000.0  # lines that it may write at once


@dataclass(slots=True)
class Reporter:
    """Writes in the order told, through the journal."""

    fence: Fence
    journal: Address[Note | Finish]
    now: Now
    secrets: frozenset[str] = frozenset()  # values that no line may show
    _next_progress: float = field(default=0.0, init=False)
    _paced_until: float = field(default=0.0, init=False)  # when its lines so far are paid for

    async def begin(self) -> None:
        """The action is about to run."""
        await self.journal.tell(Note(Began(self.fence, self.now())))

    async def write(self, severity: Severity, message: str) -> None:
        """Waits where an attempt writes too much: neither database nor siblings suffer from it."""
        await self._keep_pace()
        line = Written(self.fence, self.now(), self.clean(message), severity)
        await self.journal.tell(Note(line))

    async def _keep_pace(self) -> None:
        now = trio.current_time()
        self._paced_until = max(self._paced_until, now) + 1 / LINE_RATE
        ahead = self._paced_until - now - LINE_BURST / LINE_RATE
        if ahead > 0:
            await trio.sleep(ahead)

    async def report(self, fraction: float) -> None:
        if trio.current_time() >= self._next_progress:
            self._next_progress = trio.current_time() + PROGRESS_PAUSE
            await self.journal.tell(Note(Progressed(self.fence, fraction)))

    def clean(self, text: str) -> str:
        """A text as it may be stored and shown: cut, without secrets, NUL and lone surrogates."""
        for secret in sorted(self.secrets, key=len, reverse=True):  # one may be part of another
            text = text.replace(secret, STARS)
        text = masked_text(text)
        if len(text) > LINE_LIMIT:
            text = text[:LINE_LIMIT] + " …"
        return clean_text(text)
