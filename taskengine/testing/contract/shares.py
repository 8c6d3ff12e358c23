"""Promises of fair shares: of equal priorities the next slot is for the client served least for its
weight."""

from collections import Counter

import pytest

from taskengine.jobs.explanation import explanation
from taskengine.policy import SYSTEM
from taskengine.testing.contract.world import done, submission
from taskengine.testing.times import NOON


class Shares:
    async def order(self, world, number=100):
        """The clients in the order in which their jobs are admitted, one slot after another."""
        order = []
        while len(order) < number and await world.admit(limit=1):
            [attempt] = await world.claim(1)
            order.append(attempt.job.client)
            await world.record(done(attempt))
        return order

    async def backlog(self, world, *clients, number=10, **fields):
        for client in clients:
            batch = [submission(client=client, **fields) for _ in range(number)]
            await world.submit(*batch)

    async def test_a_thousand_jobs_of_one_client_do_not_hide_one_of_another(self, world):
        await world.setting("acme", weight=1)
        await self.backlog(world, "acme", number=500)
        await self.backlog(world, "acme", number=500)
        await self.order(world, 3)
        await self.backlog(world, "beta", number=1)
        assert await self.order(world, 2) == ["beta", "acme"]

    @pytest.mark.parametrize("scope", [SYSTEM, "acme", "beta"])
    async def test_shares_are_off_until_a_weight_is_set_anywhere(self, world, scope):
        await self.backlog(world, "acme", "beta", number=4)
        assert await self.order(world, 2) == ["acme", "acme"]
        await world.setting(scope, weight=1)
        assert await self.order(world) == ["acme", "beta", "acme", "beta", "beta", "beta"]

    async def test_shares_are_off_again_where_the_weight_is_zero(self, world):
        await world.setting("acme", weight=3)
        await world.setting("acme", weight=0)
        await self.backlog(world, "acme", "beta", number=2)
        assert await self.order(world) == ["acme", "acme", "beta", "beta"]

    async def test_slots_go_by_the_weights(self, world):
        await world.setting("beta", weight=3)
        await self.backlog(world, "acme", "beta", number=30)
        assert Counter(await self.order(world, 20)) == {"acme": 5, "beta": 15}

    async def test_the_systems_weight_is_that_of_all_who_have_none(self, world):
        await world.setting(SYSTEM, weight=3)
        await world.setting("beta", weight=1)
        await self.backlog(world, "acme", "beta", number=30)
        assert Counter(await self.order(world, 20)) == {"acme": 15, "beta": 5}

    async def test_slots_that_come_free_together_are_shared_too(self, world):
        await world.setting("beta", weight=3)
        await self.backlog(world, "acme", "beta", number=30)
        await world.setting(SYSTEM, max_jobs=12)
        assert await world.admit() == 12
        held = await world.store.slots_held()
        assert {client: number for (client, _), number in held.items()} == {"acme": 3, "beta": 9}

    async def test_priorities_go_before_shares(self, world):
        await world.setting("beta", weight=1000)
        await self.backlog(world, "beta", number=3)
        await self.backlog(world, "acme", number=2, priority=4)
        await self.backlog(world, "acme", number=1, priority=9, top_of_queue=True)
        assert await self.order(world) == ["acme"] * 3 + ["beta"] * 3

    async def test_of_one_client_the_order_stays_as_it_is(self, world):
        await world.setting("acme", weight=2)
        ids = await world.submit(submission(position=2), submission(), submission(position=0))
        order = []
        while await world.admit(limit=1):
            [attempt] = await world.claim(1)
            order.append(attempt.job.id)
            await world.record(done(attempt))
        assert order == [ids[2], ids[1], ids[0]]

    async def test_what_a_client_did_not_use_is_not_saved_up(self, world):
        await world.setting(SYSTEM, weight=1)
        await self.backlog(world, "acme", number=30)
        assert await self.order(world, 20) == ["acme"] * 20
        await self.backlog(world, "beta", number=30)
        assert await self.order(world, 4) == ["beta", "acme", "beta", "acme"]

    async def test_who_is_at_its_cap_loses_the_turn_and_saves_nothing(self, world):
        await world.setting(SYSTEM, weight=1)
        await world.setting("beta", max_jobs=0)
        await self.backlog(world, "acme", "beta", number=20)
        assert await self.order(world, 10) == ["acme"] * 10
        await world.setting("beta", max_jobs=1)
        assert Counter(await self.order(world, 8)) == {"acme": 4, "beta": 4}

    async def test_a_client_at_its_cap_with_better_jobs_hides_nobody(self, world):
        await world.setting(SYSTEM, weight=1)
        await world.setting("beta", max_jobs=0)
        await self.backlog(world, "beta", number=20, priority=1)
        await self.backlog(world, "acme", number=2, priority=9)
        assert await self.order(world) == ["acme", "acme"]

    async def test_reserved_slots_are_left_to_priority_jobs_of_any_client(self, world):
        await world.setting(SYSTEM, weight=1, max_jobs=2, priority_slots=1)
        await self.backlog(world, "acme", number=3, priority=6)
        await self.backlog(world, "beta", number=3, priority=5)
        assert await world.admit() == 2
        held = await world.store.slots_held()
        assert {client: number for (client, _), number in held.items()} == {"beta": 2}

    async def test_all_priorities_are_admitted_while_there_is_room(self, world):
        await world.setting(SYSTEM, weight=1)
        for priority in (3, 5, 7):
            await self.backlog(world, "acme", "beta", number=2, priority=priority)
        assert await world.admit() == 12

    async def test_the_rank_is_the_place_in_the_order_of_turns(self, world):
        await world.setting("acme", weight=2)
        await self.order(world)
        await world.setting(SYSTEM, max_jobs=0)
        ids = await world.submit(
            *(submission(client=one) for one in ("acme", "acme", "acme", "beta", "beta", "acme")),
            submission(client="beta", priority=4),
            submission(client="acme", top_of_queue=True),
        )
        ranks = [(await world.store.waiting_state(one)).ahead for one in ids]
        assert ranks == [2, 4, 5, 3, 6, 7, 1, 0]

    async def test_a_rank_among_shares_is_counted_to_its_bound(self, world):
        await world.setting(SYSTEM, max_jobs=0)
        await world.setting("acme", weight=1)
        for _ in range(2):
            await self.backlog(world, "acme", number=500)
        [first, last] = await world.submit(submission(client="beta"), submission())
        assert (await world.store.waiting_state(first)).ahead == 1
        assert (await world.store.waiting_state(last)).ahead == 1000

    async def test_shares_are_told(self, world):
        await world.setting(SYSTEM, max_jobs=0)
        _, job_id = await world.submit(submission(), submission(client="beta"))
        assert (await world.store.waiting_state(job_id)).weight is None
        await world.setting("beta", weight=7)
        told = explanation(await world.store.waiting_state(job_id), NOON)
        [_, rank, shares] = told["reasons"]
        assert (rank["reason"], shares["reason"], shares["weight"]) == ("rank", "shares", 7)
        assert "that of beta is 7" in shares["message"]
