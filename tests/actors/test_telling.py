"""Errors whose texts take their time: the loop goes on, and an attempt ends."""

import threading

import pytest
import trio

from taskengine.actors import telling
from taskengine.actors.containment import contained
from taskengine.actors.failures import AttemptFailed
from taskengine.model import BadInput


class Slow(BadInput):
    """Its text is there when the loop has turned."""

    asked, turned = threading.Event(), threading.Event()

    def __str__(self):
        self.asked.set()
        assert self.turned.wait(60)
        return "at last"


class Endless(Exception):
    over = threading.Event()

    def __str__(self):
        self.over.wait(60)
        return "too late"


def raising(error):
    async def action():
        raise error

    return action


@pytest.mark.parametrize("error", [Slow(), ValueError(Slow()), ExceptionGroup("", [Slow()])])
async def test_the_loop_turns_while_an_error_looks_for_its_words(error):
    for event in (Slow.asked, Slow.turned):
        event.clear()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def turn():
            await trio.to_thread.run_sync(Slow.asked.wait)
            Slow.turned.set()

        with pytest.raises(AttemptFailed, match="at last"):
            await contained(raising(error), "task 1")


async def test_an_error_that_finds_no_words_is_told_by_its_name(monkeypatch):
    monkeypatch.setattr(telling, "PATIENCE", 0.01)
    error = ExceptionGroup("", [Endless(), BadInput("x")])
    try:
        with pytest.raises(AttemptFailed, match=r"^Endless: its text takes longer than") as told:
            await contained(raising(error), "task 1")
    finally:
        Endless.over.set()
    assert told.value.final
