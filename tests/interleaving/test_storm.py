"""Several callers at once, in rounds of random actions: the state machine of the contract suite
(`test_twins`) runs one operation after another."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
import trio

from tests.interleaving.answers import EXPECTED
from tests.interleaving.invariants import over_the_limits, violations
from tests.interleaving.pairs import ACTIONS
from tests.interleaving.quiescence import drive, undelivered
from tests.interleaving.snapshots import restore, state
from tests.interleaving.stepping import Answer

ROUNDS = 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("world", ACTIONS)
async def test_whatever_is_asked_at_once(cases, stepper, world, seed):
    scene = await cases.scene(stepper.observer, world)
    await restore(stepper.observer, world)
    random, cleared, limited = Random(seed), False, False
    for _ in range(ROUNDS):
        chosen = [random.choice(ACTIONS[world]) for _ in range(3)]
        answers = [Answer() for _ in chosen]
        stores = (stepper.first, stepper.second, stepper.observer)
        async with trio.open_nursery() as nursery:
            for one, answer, store in zip(chosen, answers, stores, strict=True):
                call = partial(one.act, scene=scene)
                nursery.start_soon(answer.of, call, store, answer.ended)
        cleared = cleared or any(one.removes for one in chosen)
        limited = limited or any(one.limits for one in chosen)
        told = [one.error for one in answers if one.error is not None]
        found = await state(stepper.observer)
        problems = [repr(one) for one in told if not isinstance(one, EXPECTED)]
        problems += violations(found, cleared=cleared)
        problems += [] if limited else over_the_limits(found)
        assert not problems, [one.name for one in chosen]
    stuck = await drive(stepper.observer)
    last = await state(stepper.observer)
    assert not stuck + violations(last, cleared=cleared) + undelivered(last)
