"""The interleaving suite: real PostgreSQL, one of two stopped in mid-transaction.

In each world (`worlds.py`) each method that acts on it (`pairs.py`) is stopped before one of its
statements; another method runs until it ends or blocks, and both go on. Then `invariants.py` looks
at the rows and `answers.py` at what was answered, and the world is driven on to its end
(`quiescence.py`). `test_broken.py` shows that the suite finds what it is for.

Every two methods of a world meet, one stopped for the other before its last statement and half of
those before that, each of which has its turn with some of the others; a third of the worlds that
come of it are driven on (`cases.py`). `make search` tries all of it, and both orders.
"""

from __future__ import annotations

import pytest

from tests.interleaving.cases import EXHAUSTIVE
from tests.interleaving.pairs import ACTIONS

pytestmark = pytest.mark.timeout(7200 if EXHAUSTIVE else 1200)  # seconds


def is_run(place: int, other: int) -> bool:
    """Of both orders of two methods one, spread evenly."""
    is_even = (place + other) % 2 == 0
    return EXHAUSTIVE or place == other or (place < other) == is_even


@pytest.mark.parametrize("world", ACTIONS)
async def test_whatever_comes_between_the_statements_of_a_method(cases, stepper, world):
    problems = [
        f"{one.name} stopped {where}, beside {beside.name}: {problem}"
        for place, one in enumerate(ACTIONS[world])
        for other, beside in enumerate(ACTIONS[world])
        if is_run(place, other)
        async for where, found in cases.beside(stepper, world, one, beside)
        for problem in found
    ]
    assert not problems, "\n".join(["", *problems])
