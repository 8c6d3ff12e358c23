"""The search: one try after another, each with a seed of its own, until the time is up.

A try is either an example of the state machine (`tests/contract/test_machine.py`), in which a
store in memory and one in PostgreSQL have to answer alike, or a course of interleaved transactions
on PostgreSQL (`courses.py`). Its seed alone decides everything, so that it can be run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

import trio

from tests.search import courses, machines

TOLD_EACH = 60.0  # seconds between two lines of progress


@dataclass(frozen=True)
class Failure:
    """A promise that a try broke."""

    seed: int
    kind: str
    problem: str

    def __str__(self) -> str:
        again = f'make search ARGS="--seed {self.seed} --tries 1"'
        return f"seed {self.seed} ({self.kind}): {self.problem}\n\nAgain: {again}"


async def search(
    url: str, seed: int, seconds: float, tries: int | None, say: Callable[[str], None]
) -> Failure | None:
    """Try seed after seed on a migrated database, until one breaks a promise or the time is up."""
    until, next_line = trio.current_time() + seconds, trio.current_time() + TOLD_EACH
    done: Counter[str] = Counter()
    async with courses.open_courses(url) as tried, machines.open_machines(url) as machine:
        kinds = {"interleaving": tried.run, "state machine": machine.run}
        for number in count() if tries is None else range(tries):
            if tries is None and trio.current_time() >= until:
                break
            kind = kind_of(seed + number)
            try:
                await kinds[kind](seed + number)
            except Exception as error:
                return Failure(seed + number, kind, "\n".join(told_by(error)))
            done[kind] += 1
            if trio.current_time() >= next_line:
                say(f"{dict(done)}, next seed {seed + number + 1}")
                next_line += TOLD_EACH
    say(f"{dict(done)}: all promises held")
    return None


def told_by(error: Exception) -> Sequence[str]:
    """Its words, and the notes in which Hypothesis tells the steps."""
    return [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]


def kind_of(seed: int) -> str:
    """A state machine's example takes as long as some fifty interleavings."""
    return "state machine" if Random(seed).random() < 0.02 else "interleaving"
