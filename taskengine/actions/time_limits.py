"""The time that a job gives one attempt of its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import trio

from taskengine.model import PermanentFailure


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """What one attempt may take; 0: any time (A56). Raises PermanentFailure."""
    with trio.move_on_after(seconds or inf) as scope:
        yield
    if scope.cancelled_caught:
        raise PermanentFailure(f"remote_execute_timeout_seconds: it is not done after {seconds} s")
