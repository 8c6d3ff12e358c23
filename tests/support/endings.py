"""Ends of attempts, told to a recorder."""

from __future__ import annotations

import trio

from taskengine.messages import Finish, Mail
from taskengine.model import Ended
from taskengine.runtime.mailbox import Address


async def tell_end(recorder: Address[Mail], ended: Ended) -> None:
    """Tell an end, and wait until it is written."""
    written = trio.Event()

    def settle(is_written: bool) -> None:
        assert is_written, "the recorder crashed"
        written.set()

    await recorder.tell(Finish(ended, settle))
    await written.wait()
