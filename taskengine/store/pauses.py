"""What the store is asked of pauses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from taskengine.pauses import Pause


class StorePauses(Protocol):
    """The part of taskengine.store.Store for pauses (pauses.py)."""

    async def put_pause(self, pause: Pause) -> None:
        """Pause something, or change until when."""
        ...

    async def remove_pause(self, kind: str, name: str) -> bool:
        """End a pause; whether there was one."""
        ...

    async def pauses(self) -> Sequence[Pause]:
        """All, by kind and name: some may be over."""
        ...

    async def end_pauses(self, now: datetime) -> tuple[int, datetime | None]:
        """Forget the pauses that are over, and queue again some of the jobs that were set aside for
        workflows that are not paused any more: how many pauses and jobs, and when the next pause
        is over. 0 says that none is left."""
        ...
