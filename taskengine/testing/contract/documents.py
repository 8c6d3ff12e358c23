"""Promises about what is large: it is read where it is needed, once, and no end is lost for it."""

import json
from dataclasses import replace

import pytest

from taskengine.model import BadInput, Began, NotFound
from taskengine.store import Wanted
from taskengine.store.completion import MOST_RESULTS
from taskengine.testing.contract.world import ONE, TWO, definition, done
from taskengine.testing.times import NOON

LARGE = "x" * 70_000


async def ended(world, plan, *, terse=False, **fields):
    """The lanes of a job of one task after its end."""
    job_id = await world.start(plan, urls=[ONE, TWO], **fields)
    [attempt] = await world.claim()
    await world.record(Began(attempt.fence, NOON), replace(done(attempt), terse=terse))
    return job_id, await world.lanes()


async def controller_lines(world, job_id):
    return [text for name, _, text in await world.lines(job_id) if name == "controller"]


class Documents:
    async def test_large_documents_do_not_come_with_a_claim(self, world):
        given = {"large": LARGE, "small": 1, "deep": [{"KEY_ID": "hidden"}], "Key_id": "hidden"}
        job_id = await world.start(urls=[ONE, TWO], submitted=given, parameters=given)
        [attempt] = await world.claim()
        assert (attempt.documents, attempt.lanes) == (None, 2)
        assert attempt.size > 2 * len(LARGE)
        store = world.store
        every = await store.documents(job_id, Wanted())
        assert json.loads(every.parameters) == given
        assert json.loads(every.results) == {}
        some = await store.documents(job_id, Wanted({"small", "missing"}, {"key_id"}, ()))
        assert json.loads(some.parameters).keys() == {"small", "deep", "Key_id"}
        with pytest.raises(NotFound):
            await store.documents(job_id + 1, Wanted())

    async def test_large_results_do_not_come_with_a_claim(self, world):
        plan = definition([], [0], [1])
        job_id = await world.start(plan)
        for _ in range(2):
            [attempt] = await world.claim()
            await world.record(done(attempt, text="y" * 40_000))
        [attempt] = await world.claim()
        assert attempt.documents.results is None
        assert json.loads(attempt.documents.parameters) == {}
        for names, found in ((None, {"a", "b"}), ({"b"}, {"b"}), ((), set())):
            documents = await world.store.documents(job_id, Wanted(results=names))
            assert json.loads(documents.results).keys() == found

    async def test_an_attempt_sees_no_more_results_than_it_may_load(self, world):
        number = MOST_RESULTS // 1_000_000 + 1
        content = definition(*[[]] * 8).content
        tasks = [{**content["tasks"][0], "name": f"t{place}"} for place in range(number)]
        plan = replace(definition([]), content={**content, "tasks": tasks}, digest="many")
        planned = tuple(replace(plan.plan[0], name=one["name"]) for one in tasks)
        job_id = await world.start(replace(plan, plan=planned))
        attempts = await world.claim(number)
        for attempt in attempts[:-1]:
            await world.record(done(attempt, text="y" * 1_000_000))
        await world.store.documents(job_id, Wanted(results=None))
        await world.record(done(attempts[-1], text="y" * 1_000_000))
        with pytest.raises(BadInput, match="results"):
            await world.store.documents(job_id, Wanted(results=None))

    async def test_the_body_of_an_event_is_one_for_all_urls(self, world):
        given = {"custom_data": {"text": LARGE, "é": None}}
        _, lanes = await ended(world, definition([]), submitted=given)
        first, second = lanes
        assert [one.event_id for one in first.callbacks] == [
            one.event_id for one in second.callbacks
        ]
        keys = [one.webhook_id for lane in lanes for one in lane.callbacks]
        assert len(set(keys)) == len(keys) == 6
        *small, large = first.callbacks
        assert all(one.body is not None for one in small)
        assert large.body is None
        body = json.loads(await world.store.event_body(large.event_id))
        assert body["custom_data"] == given["custom_data"]
        with pytest.raises(NotFound):
            await world.store.event_body(large.event_id + 1)

    async def test_a_terse_end_leaves_out_what_is_large(self, world):
        plan = definition([], callback={"files": ["x"]})
        job_id, lanes = await ended(world, plan, terse=True, submitted={"custom_data": LARGE})
        for lane in lanes:
            assert [one.event for one in lane.callbacks] == ["start", "complete", "end"]
            body = json.loads(lane.callbacks[-1].body)
            assert (body["status"], body["custom_data"]) == ("completed", None)
            assert "files" not in body
        assert await world.states(job_id) == ["completed", "completed"]

    @pytest.mark.parametrize(
        ("template", "given", "told"),
        [
            ("{{ (a | int) * (a | int) }}", "9" * 3000, ""),
            ("{{ a }}{{ a }}", "z" * 600_000, "1048576 characters at most"),
        ],
    )
    async def test_what_no_callback_can_say_is_left_out(self, world, template, given, told):
        plan = definition([], callback={"product": template, "files": ["x"]})
        job_id, lanes = await ended(world, plan, parameters={"a": given})
        for lane in lanes:
            body = json.loads(lane.callbacks[-1].body)
            assert (body["status"], body["files"]) == ("completed", ["x"])
            assert "product" not in body
        warning, _ = await controller_lines(world, job_id)
        assert "callback.product" in warning
        assert told in warning

    @pytest.mark.parametrize("size", [10, 70_000])
    async def test_templates_see_what_they_look_up(self, world, size):
        """Beside what is too large to be parsed on the loop, too."""
        templates = {
            "one": "{{ tasks.a.file }}",
            "all": "{{ tasks }}",
            "given": "{{ b.c }} of {{ client.name }}",
            "custom_data": "{{ a }}",
        }
        plan = definition([], [0], callback=templates)
        given = {"a": "x" * size, "b": {"c": 7}, "unused": LARGE}
        await world.start(plan, urls=[ONE], parameters=given, client_scope={"name": "acme"})
        for result in ({"file": "f"}, {}):
            [attempt] = await world.claim()
            await world.record(done(attempt, **result))
        [lane] = await world.lanes()
        body = json.loads(await world.store.event_body(lane.callbacks[-1].event_id))
        assert body["one"] == "f"
        assert body["all"] == {"a": {"file": "f"}, "b": {}}
        assert body["given"] == "7 of acme"
        assert body["custom_data"] == "x" * size
