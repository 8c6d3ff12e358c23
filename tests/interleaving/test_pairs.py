"""The interleaving suite: real PostgreSQL, one of two stopped in mid-transaction.

In each world (`worlds.py`) each method that acts on it (`pairs.py`) is stopped before its
statements, one after another; another method runs until it ends or blocks, and both go on. Then
`invariants.py` looks at the rows, `answers.py` at what was answered, and the world is driven on to
its end (`quiescence.py`). `test_broken.py` shows that the suite finds what it is for.

Stops at which nothing new can happen are left out (`cases.py`), and of two methods one is stopped
for the other, not both in turn; `INTERLEAVING=all` runs all stops and both orders.
"""

from __future__ import annotations

import pytest

from tests.interleaving.cases import EXHAUSTIVE
from tests.interleaving.pairs import ACTIONS

pytestmark = pytest.mark.timeout(600)  # seconds: some hundred cases in a test

CASES = [
    pytest.param(world, place, id=f"{world}-{one.name}")
    for world, actions in ACTIONS.items()
    for place, one in enumerate(actions)
]


def is_run(place: int, other: int) -> bool:
    """Of both orders of two methods one, spread evenly."""
    is_even = (place + other) % 2 == 0
    return EXHAUSTIVE or place == other or (place < other) == is_even


@pytest.mark.parametrize(("world", "place"), CASES)
async def test_whatever_comes_between_its_statements(cases, stepper, world, place):
    one = ACTIONS[world][place]
    problems = [
        f"{one.name} stopped {where}, beside {beside.name}: {problem}"
        for other, beside in enumerate(ACTIONS[world])
        if is_run(place, other)
        async for where, found in cases.beside(stepper, world, one, beside)
        for problem in found
    ]
    assert not problems, "\n".join(["", *problems])
