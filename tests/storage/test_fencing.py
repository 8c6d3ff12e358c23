"""The last question before a file appears."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from taskengine.storage import fencing


async def test_an_answer_of_the_fence_that_came_late_is_asked_for_again(monkeypatch):
    clock, asked = [0.0], []
    reads = SimpleNamespace(CLOCK_BOOTTIME=7, clock_gettime=lambda _: clock[0])
    monkeypatch.setattr(fencing, "time", reads)

    async def fence():
        asked.append(None)
        clock[0] += 2 * fencing.FRESH if len(asked) < 3 else 0

    await fencing.pass_fence(fence)
    assert len(asked) == 3
    asked[:] = []
    monkeypatch.setattr(fencing, "MAX_QUESTIONS", 2)
    with pytest.raises(TimeoutError):
        await fencing.pass_fence(fence)
