"""Promises of callbacks and their lanes."""

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from taskengine.model import Began, LaneResult
from taskengine.store.completion import TERSE, host_of
from taskengine.testing.contract.world import (
    CHAIN,
    ONE,
    PAIR,
    TWO,
    again,
    at,
    definition,
    delivery,
    done,
    failed,
    refusal,
    released,
    submission,
)
from taskengine.testing.times import NOON


class Callbacks:
    async def test_a_job_of_n_tasks_calls_2n_plus_1_times_in_order(self, world):
        job_id = await world.start(CHAIN, urls=[ONE, TWO])
        await world.perform(job_id)
        lanes = await world.lanes()
        assert [lane.url for lane in lanes] == [ONE, TWO]
        for lane in lanes:
            told = [(one.number, one.event, one.task_name) for one in lane.callbacks]
            assert told == [
                (1, "start", "a"),
                (2, "complete", "a"),
                (3, "start", "b"),
                (4, "complete", "b"),
                (5, "start", "c"),
                (6, "complete", "c"),
                (7, "end", None),
            ]
        ids = [one.webhook_id for lane in lanes for one in lane.callbacks]
        assert len(set(ids)) == 14

    async def test_an_event_is_told_once_however_often_its_task_begins(self, world):
        """Rule 22: started once, failed in the end alone, completed once."""
        await world.start(PAIR, urls=[ONE])
        for end in (again, again, released):
            attempts = await world.claim()
            await world.record(*(Began(one.fence, NOON) for one in attempts))
            await world.record(*(end(one, NOON) for one in attempts))
        one, two = await world.claim()
        for records in [(Began(one.fence, NOON), Began(two.fence, NOON))] * 2:
            await world.record(*records)
        for _ in range(2):
            await world.record(done(one))
            await world.record(failed(two))
        [lane] = await world.lanes()
        assert [(call.number, call.event, call.task_id) for call in lane.callbacks] == [
            (1, "start", one.task.id),
            (2, "start", two.task.id),
            (3, "complete", one.task.id),
            (4, "fail", two.task.id),
            (5, "end", two.task.id),
        ]

    async def test_a_task_that_ends_may_say_more(self, world):
        await world.start(PAIR, urls=[ONE])
        one, two = await world.claim()
        await world.record(replace(done(one), extras='{"files":["a","\\u00fc"]}'))
        await world.record(done(two))
        [lane] = await world.lanes()
        first, second = (json.loads(call.body) for call in lane.callbacks[:2])
        assert first["files"] == ["a", "ü"]
        assert list(first)[-2:] == ["time", "client"]
        assert "files" not in second

    async def test_urls_hear_of_the_events_that_their_client_wants(self, world):
        job_id = await world.start(CHAIN, urls=[ONE, TWO], events=["fail", "end"])
        await world.perform(job_id)
        rerun = await world.store.rerun(job_id, (), at(1))
        await world.admit(at(1))
        [attempt] = await world.claim(now=at(1))
        await world.record(Began(attempt.fence, at(1)), failed(attempt, when=at(2)))
        told = [
            (lane.job_id, one.number, one.event)
            for lane in await world.lanes(at(2))
            for one in lane.callbacks
        ]
        first, second = (job_id, 1, "end"), [(rerun, 1, "fail"), (rerun, 2, "end")]
        assert told == [first, first, *second, *second]

    async def test_bodies_are_those_of_the_contract(self, world):
        given = {"custom_data": {"ticket": 9}}
        plan = definition([], callback={"message": "{{ tasks.a.file }}", "files": ["x"]})
        job_id = await world.start(plan, urls=[ONE], content_id="c-77", submitted=given)
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, NOON), done(attempt, file="c.mp4"))
        [lane] = await world.lanes()
        start, complete, end = (json.loads(one.body) for one in lane.callbacks)
        assert start == {
            "job_id": str(job_id),
            "task_id": str(attempt.task.id),
            "task_name": "a",
            "workflow": "demo",
            "event": "start",
            "content_id": "c-77",
            "message": "",
            "time": None,
            "client": "acme",
        }
        assert complete == {**start, "event": "complete"}
        assert end == {
            "job_id": str(job_id),
            "status": "completed",
            "workflow": "demo",
            "content_id": "c-77",
            "custom_data": {"ticket": 9},
            "message": "c.mp4",
            "files": ["x"],
            "time": None,
            "client": "acme",
        }

    async def test_an_extra_that_cannot_be_rendered_is_left_out_with_a_line(self, world):
        plan = definition([], callback={"files": "{{ tasks.a.files }}"})
        job_id = await world.start(plan, urls=[ONE])
        await world.perform(job_id)
        [lane] = await world.lanes()
        body = json.loads(lane.callbacks[-1].body)
        assert "files" not in body
        assert body["message"] == ""
        lines = [line for line in await world.lines(job_id) if line[0] == "controller"]
        assert "callback.files" in lines[0][2]
        assert lines[1][2] == "job has completed successfully"

    async def test_what_json_cannot_say_is_left_out_with_a_line(self, world):
        """The end of a job is never held up by what it would say."""
        extras = {
            "long": "{{ (a | int) * (a | int) }}",
            "endless": "{{ 1e300 * 1e300 }}",
            "surrogate": '{{ "\\ud800 and \\u0000" }}',
            "large": "{{ [text, text, text, text] }}",
            "good": "{{ a | length }}",
        }
        parameters = {"a": "9" * 3000, "text": "x" * 400_000}
        plan = definition([], callback=extras)
        job_id = await world.start(plan, urls=[ONE], parameters=parameters)
        await world.perform(job_id)
        [lane] = await world.lanes()
        body = json.loads(lane.callbacks[-1].body)
        given = {key: body[key] for key in extras if key in body}
        assert given == {"surrogate": "\ufffd and \ufffd", "good": 3000}
        told = [text for name, _, text in await world.lines(job_id) if text.startswith("callback.")]
        assert [text.split(":")[0] for text in told] == [
            "callback.long",
            "callback.endless",
            "callback.large",
        ]

    async def test_a_terse_end_says_so_where_it_is_the_job_s(self, world):
        plan = definition([], [], callback={"files": ["x"]})
        job_id = await world.start(plan, urls=[ONE], submitted={"custom_data": 1})
        one, two = await world.claim()
        await world.record(replace(done(one), terse=True))
        assert [line for line in await world.lines(job_id) if line[0] == "controller"] == []
        await world.record(replace(done(two, x=1), terse=True))
        assert await world.states(job_id) == ["completed", "completed", "completed"]
        assert (await world.job(job_id)).tasks[1].result == {"x": 1}
        [lane] = await world.lanes()
        *tasks, end = lane.callbacks
        assert [one.event for one in tasks] == ["complete", "complete"]
        body = json.loads(end.body)
        assert (body["status"], body["custom_data"], "files" in body) == ("completed", None, False)
        said = [line for line in await world.lines(job_id) if line[0] == "controller"]
        assert said == [
            ("controller", two.task.id, TERSE),
            ("controller", two.task.id, "job has completed successfully"),
        ]

    async def test_a_lane_has_one_holder_at_a_time(self, world):
        await world.perform(await world.start(urls=[ONE]))
        [lane] = await world.lanes()
        assert lane.options == {"of": "acme"}
        assert await world.lanes(at(99)) == []
        other = await world.store.join("second", NOON)
        assert (await world.store.claim_lanes(other, 9, (), at(99)))[0] == []
        await world.store.deliver(other, [delivery(lane, 0, NOON)])
        await world.deliver(lane)
        assert await world.lanes(at(99)) == []

    async def test_a_failed_try_is_made_again_later_and_nothing_overtakes_it(self, world):
        job_id = await world.start(CHAIN, urls=[ONE])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, NOON))
        [lane] = await world.lanes()
        await world.store.deliver(world.instance, [refusal(lane, at(1), at(6))])
        await world.record(done(attempt, at(2)))
        assert await world.store.claim_lanes(world.instance, 9, (), at(5)) == ([], at(6))
        [later] = await world.lanes(at(6))
        assert (later.failures, later.callbacks[0].attempts) == (1, 1)
        assert [one.event for one in later.callbacks] == ["start", "complete"]
        assert later.callbacks[0].webhook_id == lane.callbacks[0].webhook_id
        assert (await world.job(job_id)).job.state.label == "started"

    async def test_failures_count_from_the_last_success(self, world):
        await world.perform(await world.start(urls=[ONE]))
        for failures in range(3):
            [lane] = await world.lanes(at(failures))
            assert lane.failures == failures
            await world.store.deliver(
                world.instance, [refusal(lane, at(failures), at(failures + 1))]
            )
        [lane] = await world.lanes(at(3))
        [first] = delivery(lane, 0, at(3)).deliveries
        [second] = refusal(lane, at(4), at(9)).deliveries
        second = replace(second, callback_id=lane.callbacks[1].id)
        await world.store.deliver(world.instance, [LaneResult(lane.fence, [first, second])])
        [lane] = await world.lanes(at(9))
        assert (lane.failures, len(lane.callbacks)) == (1, 2)

    async def test_deliveries_of_an_outdated_claim_are_refused(self, world):
        await world.perform(await world.start(urls=[ONE]))
        [old] = await world.lanes()
        assert (await world.store.beat(world.instance)).lanes == {old.fence}
        await world.store.release_lanes(world.instance, [old.fence], at(1))
        assert (await world.store.beat(world.instance)).lanes == frozenset()
        [new] = await world.lanes(at(1))
        assert (new.id, new.claim, new.callbacks) == (old.id, old.claim + 1, old.callbacks)
        await world.deliver(old, now=at(2))
        await world.store.release_lanes(world.instance, [old.fence], at(2))
        assert (await world.store.beat(world.instance)).lanes == {new.fence}
        assert {one.attempts for one in await world.store.callbacks(old.job_id)} == {0}
        await world.deliver(new, now=at(3))
        assert (await world.store.beat(world.instance)).lanes == frozenset()

    async def test_deliveries_of_who_gave_its_lane_back_are_refused(self, world):
        await world.perform(await world.start(urls=[ONE]))
        [lane] = await world.lanes()
        await world.store.release_lanes(world.instance, [lane.fence], at(1))
        await world.deliver(lane, now=at(2))
        assert {one.attempts for one in await world.store.callbacks(lane.job_id)} == {0}

    async def test_of_two_claims_of_a_lane_in_one_batch_the_present_one_counts(self, world):
        job_id = await world.start(urls=[ONE])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, NOON))
        [old] = await world.lanes()
        await world.store.release_lanes(world.instance, [old.fence], at(1))
        [new] = await world.lanes(at(1))
        await world.store.deliver(
            world.instance, [refusal(old, at(2), None), delivery(new, 0, at(2))]
        )
        [entry] = await world.store.callbacks(job_id)
        assert (entry.state, entry.attempts, entry.status) == ("delivered", 1, 204)

    async def test_a_lane_is_dead_after_its_last_try(self, world):
        job_id = await world.start(CHAIN, urls=[ONE, TWO])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, NOON))
        one, two = await world.lanes()
        await world.store.deliver(
            world.instance, [refusal(one, NOON, None), delivery(two, 0, NOON)]
        )
        await world.record(done(attempt))
        assert [lane.url for lane in await world.lanes(at(10**6))] == [TWO]
        assert (await world.states(job_id))[0] == "started"

    async def test_what_is_called_while_a_lane_is_held_is_delivered_afterwards(self, world):
        await world.start(urls=[ONE])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, NOON))
        [lane] = await world.lanes()
        await world.record(done(attempt))
        assert await world.lanes(at(9)) == []
        await world.deliver(lane)
        [lane] = await world.lanes()
        assert [one.number for one in lane.callbacks] == [2, 3]

    async def test_one_slow_host_holds_up_no_other(self, world):
        slow = [f"http://slow.test/{n}" for n in range(6)]
        await world.perform(await world.start(urls=[*slow, ONE]))
        first = await world.lanes()
        assert [lane.url for lane in first] == [*slow[:2], ONE]
        assert await world.lanes(busy=["slow.test"]) == []
        await world.deliver(*first)
        assert [lane.url for lane in await world.lanes(busy=["slow.test"])] == []
        assert [lane.url for lane in await world.lanes()] == slow[2:4]

    async def test_a_host_that_answers_quickly_has_many_lanes_claimed(self, world):
        for _ in range(5):
            await world.start(urls=[ONE, TWO])
        for attempt in await world.claim(10):
            await world.record(Began(attempt.fence, NOON))
        given = (world.instance, 64, [], NOON, [host_of(ONE)])
        lanes, _ = await world.store.claim_lanes(*given)
        assert Counter(lane.url for lane in lanes) == {ONE: 5, TWO: 2}

    async def test_the_lane_due_first_goes_first(self, world):
        for number, host in enumerate("cab"):
            await world.submit(submission(urls=[f"http://{host}.test"]))
            await world.admit()
            [attempt] = await world.claim()
            await world.record(done(attempt, NOON - timedelta(seconds=number)))
        order = [lane.url for lane in await world.lanes(limit=2)]
        assert order == ["http://b.test", "http://a.test"]

    async def test_each_event_has_one_line_by_the_first_url_at_its_first_try(self, world):
        job_id = await world.start(urls=[ONE, TWO])
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, NOON), done(attempt))
        one, two = await world.lanes()
        await world.store.deliver(world.instance, [refusal(one, NOON, at(1))])
        await world.deliver(two)
        await world.events()
        told = ("callback", attempt.task.id, "No client definitions. Using common definitions.")
        lines = [line for line in await world.lines(job_id) if line[0] == "callback"]
        assert lines == [told] * 3

    async def test_a_line_says_whose_definitions_the_job_has(self, world):
        job_id = await world.start(definition([], client="acme"), urls=[ONE])
        await world.perform(job_id)
        await world.events()
        assert (await world.lines(job_id))[-1][2] == "Using client definitions."

    async def test_a_long_lane_is_delivered_in_pieces(self, world):
        plan = definition(*([] for _ in range(8)))
        await world.perform(await world.start(plan, urls=[ONE]))
        [lane] = await world.lanes()
        assert [one.number for one in lane.callbacks] == list(range(1, 17))
        await world.deliver(lane)
        [lane] = await world.lanes()
        assert [one.number for one in lane.callbacks] == [17]

    async def test_a_delivery_repeated_after_a_lost_answer_changes_nothing(self, world):
        job_id = await world.start(PAIR, urls=[ONE])
        await world.record(*(Began(one.fence, NOON) for one in await world.claim()))
        [lane] = await world.lanes()
        await world.deliver(lane)
        before = await world.lines(job_id)
        await world.deliver(lane)
        assert await world.lines(job_id) == before
        assert await world.lanes(at(99)) == []
