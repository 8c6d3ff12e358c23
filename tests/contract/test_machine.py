"""Both stores driven by a state machine: every answer and all that is left agree.

A failure is told as the shortest sequence of named steps that was found to lead to it. The same
examples on every run; `make search` goes on with others.
"""

from __future__ import annotations

import sys

import pytest
import trio
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from taskengine.store import JobFilter
from taskengine.testing.contract.world import at
from tests.contract.machine.clients import Asking
from tests.contract.machine.instances import Working
from tests.contract.machine.outside import Calling
from tests.contract.machine.recurring import Recurring
from tests.contract.recount import assert_counters_are_true

RETENTION = 20  # seconds


class Engine(Asking, Working, Calling):
    """All that is done to jobs."""

    @rule(limit=st.integers(1, 5))
    def clear_old_jobs(self, limit):
        """After they were kept for a while."""
        self.seconds += RETENTION
        self.same("clear_old_jobs", at(self.seconds - RETENTION), limit)

    @rule()
    def sweep_edges(self):
        self.same("sweep_edges", 0, self.now)

    @invariant()
    def the_totals_agree(self):
        self.same("totals")

    def teardown(self):
        if sys.exception() is None:  # a step that failed says more
            self._all_that_is_left_agrees()

    def _all_that_is_left_agrees(self):
        for job in self.same("jobs", JobFilter(limit=1000)):
            self.look_at(job.id)
            self.look_at_callbacks(job.id)
        self.same("callbacks_waiting")
        _, postgres = self.worlds
        trio.from_thread.run(_counters_are_true, postgres.store)


async def _counters_are_true(store):
    await assert_counters_are_true(store, cleared=True)


async def run(machine, store, number, **limits):
    """A random example, after that of the simplest choices. With more of them, most would be
    variations of others in which one step stands for many: little work is done there."""

    @seed(number)
    def twins():
        return machine(store)

    chosen = settings(max_examples=2, **limits)
    await trio.to_thread.run_sync(lambda: run_state_machine_as_test(twins, settings=chosen))


@pytest.mark.parametrize("number", range(12))
async def test_a_store_in_memory_and_one_in_postgresql_answer_alike(postgres_store, number):
    await run(Engine, postgres_store, number, stateful_step_count=100)


@pytest.mark.parametrize("number", range(3))
async def test_both_stores_agree_on_what_recurs(postgres_store, number):
    await run(Recurring, postgres_store, number, stateful_step_count=50)
