"""A transaction that is too heavy is told from an outage (rule 29)."""

import asyncio

import pytest
import trio

from taskengine.model import Interrupted, StoreUnavailable, TooHeavy, TooSlow
from taskengine.store.postgres.driver_errors import Outages
from taskengine.store.postgres.runner import Runner


async def slow(connection):
    await connection.execute("set local statement_timeout = '50ms'")
    await connection.execute("select pg_sleep(30)")


async def idle(connection):
    """What a batch does that is rendered between two statements."""
    await connection.execute("set local idle_in_transaction_session_timeout = '50ms'")
    await asyncio.sleep(0.5)
    await connection.execute("select 1")


@pytest.mark.parametrize("heavy", [slow, idle])
async def test_who_can_ask_for_less_is_told(postgres_store, heavy):
    with pytest.raises(TooHeavy):
        await postgres_store.patient._run(heavy, divisible=True)


@pytest.mark.parametrize(("heavy", "told"), [(slow, TooSlow), (idle, Interrupted)])
async def test_who_waits_for_an_answer_is_told_at_once(postgres_store, heavy, told):
    with pytest.raises(told):
        await postgres_store._run(heavy)


class Pool:
    """Cuts what it runs, a number of times; with a database that answers all else, or does not."""

    def __init__(self, answers, errors):
        self._answers, self.errors = answers, list(errors)
        self.outages = Outages()

    async def run(self, transaction, **options):
        await trio.lowlevel.checkpoint()
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def answers(self):
        await trio.lowlevel.checkpoint()
        return self._answers


async def ask(pool, **options):
    return await Runner(pool, is_patient=True)._run(slow, **options)


@pytest.mark.parametrize(
    "errors",
    [[TooSlow()], [Interrupted(), Interrupted()], [StoreUnavailable(), TooSlow()]],
)
async def test_a_statement_is_too_heavy_where_the_database_answers_all_else(autojump_clock, errors):
    with pytest.raises(TooHeavy):
        await ask(Pool(True, errors), divisible=True)


@pytest.mark.parametrize(
    ("answers", "errors"),
    [
        (False, [TooSlow()] * 9),
        (False, [Interrupted()] * 9),
        (True, [Interrupted(), StoreUnavailable(), Interrupted()]),  # a restart, say
    ],
)
async def test_an_outage_is_waited_out(autojump_clock, answers, errors):
    assert await ask(Pool(answers, errors), divisible=True) == "done"


async def test_what_cannot_be_divided_is_tried_again(autojump_clock):
    assert await ask(Pool(True, [TooSlow(), *[Interrupted()] * 5])) == "done"
