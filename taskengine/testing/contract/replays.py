"""Promises of the delivery log and of replay."""

import pytest

from taskengine.model import Began, NotFound
from taskengine.testing.contract.world import CHAIN, ONE, TWO, at, delivery, done, refusal


class Replays:
    @pytest.fixture
    async def dead_job(self, world):
        """Its first URL is given up at the first event; two more follow."""
        job_id = await world.start(urls=[ONE, TWO])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, at(0)))
        one, two = await world.lanes()
        await world.store.deliver(
            world.instance, [refusal(one, at(1), None), delivery(two, 0, at(1))]
        )
        await world.record(done(attempt, at(2)))
        await world.deliver(*await world.lanes(at(2)), now=at(3))
        return job_id

    async def test_the_log_tells_what_became_of_each_callback(self, world, dead_job):
        log = await world.store.callbacks(dead_job)
        told = [(one.url, one.number, one.event, one.state, one.attempts) for one in log]
        assert told == [
            (ONE, 1, "start", "dead", 1),
            (ONE, 2, "complete", "dead", 0),
            (ONE, 3, "end", "dead", 0),
            (TWO, 1, "start", "delivered", 1),
            (TWO, 2, "complete", "delivered", 1),
            (TWO, 3, "end", "delivered", 1),
        ]
        first, last = log[0], log[-1]
        assert (first.status, first.error, first.created_at) == (500, "no", at(0))
        assert (first.delivered_at, first.next_try_at, first.task_name) == (None, None, "a")
        assert (last.status, last.error, last.delivered_at) == (204, None, at(3))
        assert (last.task_id, last.task_name) == (first.task_id, None)
        assert len({one.id for one in log}) == len({one.webhook_id for one in log}) == 6

    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
    async def test_pages_of_the_log_go_on_where_the_one_before_ended(self, world, dead_job, limit):
        whole, found = await world.store.callbacks(dead_job), []
        while page := await world.store.callbacks(
            dead_job, after=found[-1].id if found else 0, limit=limit
        ):
            assert len(page) == min(limit, len(whole) - len(found))
            found += page
        assert found == list(whole)

    async def test_what_waits_says_when_it_is_tried_next(self, world):
        job_id = await world.start(urls=[ONE])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, at(0)))
        [lane] = await world.lanes()
        await world.store.deliver(world.instance, [refusal(lane, at(1), at(6))])
        [entry] = await world.store.callbacks(job_id)
        assert (entry.state, entry.next_try_at) == ("waiting", at(6))

    async def test_a_job_without_callbacks_has_an_empty_log(self, world):
        assert list(await world.store.callbacks(await world.start())) == []
        assert list(await world.store.callbacks(10**9)) == []

    async def test_a_dead_lane_gets_later_events_and_is_never_claimed(self, world, dead_job):
        assert await world.store.claim_lanes(world.instance, 9, (), at(10**6)) == ([], None)

    @pytest.mark.parametrize("place", [0, 1, 2])
    async def test_replay_of_a_dead_lane_goes_on_with_its_first(self, world, dead_job, place):
        log = await world.store.callbacks(dead_job)
        await world.store.replay(log[place].id, at(9))
        assert (await world.store.callbacks(dead_job))[0].next_try_at == at(9)
        [lane] = await world.lanes(at(9))
        assert (lane.url, lane.failures) == (ONE, 0)
        assert [one.number for one in lane.callbacks] == [1, 2, 3]
        assert lane.callbacks[0].webhook_id == log[0].webhook_id
        await world.deliver(lane, now=at(10))
        assert [one.attempts for one in await world.store.callbacks(dead_job)][:3] == [2, 1, 1]
        assert await world.lanes(at(99)) == []

    async def test_a_replayed_lane_may_die_again(self, world, dead_job):
        [first, *_] = await world.store.callbacks(dead_job)
        await world.store.replay(first.id, at(9))
        [lane] = await world.lanes(at(9))
        await world.store.deliver(world.instance, [refusal(lane, at(9), None)])
        assert await world.lanes(at(10**6)) == []
        assert [one.state for one in await world.store.callbacks(dead_job)][:3] == ["dead"] * 3

    async def test_a_delivered_callback_is_sent_again_alone(self, world, dead_job):
        log = await world.store.callbacks(dead_job)
        await world.store.replay(log[4].id, at(9))
        [lane] = await world.lanes(at(9))
        assert [(one.number, one.webhook_id) for one in lane.callbacks] == [(2, log[4].webhook_id)]
        before = await world.lines(dead_job)
        await world.deliver(lane, now=at(10))
        assert await world.lines(dead_job) == before
        again = (await world.store.callbacks(dead_job))[4]
        assert (again.state, again.attempts, again.delivered_at) == ("delivered", 2, at(10))

    async def test_a_delivered_callback_goes_before_what_waits(self, world):
        job_id = await world.start(CHAIN, urls=[ONE])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, at(0)))
        await world.deliver(*await world.lanes())
        await world.record(done(attempt, at(1)))
        [lane] = await world.lanes(at(1))
        await world.store.deliver(world.instance, [refusal(lane, at(1), at(6))])
        [first, *_] = await world.store.callbacks(job_id)
        await world.store.replay(first.id, at(2))
        [lane] = await world.lanes(at(2))
        assert [one.number for one in lane.callbacks] == [1, 2]

    async def test_what_is_replayed_while_its_lane_is_held_is_sent_afterwards(self, world):
        job_id = await world.start(urls=[ONE])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, at(0)))
        await world.deliver(*await world.lanes())
        await world.record(done(attempt, at(1)))
        [lane] = await world.lanes(at(1))
        [first, *_] = await world.store.callbacks(job_id)
        await world.store.replay(first.id, at(2))
        assert await world.lanes(at(2)) == []
        await world.deliver(lane, now=at(3))
        [lane] = await world.lanes(at(3))
        assert [one.number for one in lane.callbacks] == [1]

    @pytest.mark.parametrize("due", [None, at(99)], ids=["last try", "one of many"])
    async def test_a_replay_outlives_the_failure_of_a_try_in_flight(self, world, due):
        job_id = await world.start(urls=[ONE])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, at(0)))
        [lane] = await world.lanes()
        [first, *_] = await world.store.callbacks(job_id)
        await world.store.replay(first.id, at(1))
        await world.store.deliver(world.instance, [refusal(lane, at(2), due)])
        [lane] = await world.lanes(at(2))
        assert (lane.failures, [one.number for one in lane.callbacks]) == (0, [1])
        await world.store.deliver(world.instance, [refusal(lane, at(3), None)])
        assert await world.lanes(at(10**6)) == []

    async def test_what_is_replayed_and_delivered_meanwhile_does_not_wait(self, world):
        job_id = await world.start(urls=[ONE])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, at(0)))
        [lane] = await world.lanes()
        [first, *_] = await world.store.callbacks(job_id)
        await world.store.replay(first.id, at(1))
        await world.deliver(lane, now=at(2))
        assert await world.lanes(at(10**6)) == []

    async def test_a_callback_belongs_to_the_client_of_its_job(self, world, dead_job):
        [first, *_] = await world.store.callbacks(dead_job)
        assert await world.store.callback_client(first.id) == "acme"

    async def test_there_is_nothing_to_replay(self, world):
        for method in (world.store.callback_client, lambda one: world.store.replay(one, at(0))):
            with pytest.raises(NotFound, match="there is no callback 404"):
                await method(404)
