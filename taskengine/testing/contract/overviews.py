"""Promises of what people are shown: who runs what, what waits, how far a job is."""

import json

from taskengine.model import Began, Progressed, Severity, TaskState, Written
from taskengine.policy import Band
from taskengine.store.overview import hour_of
from taskengine.testing.contract.world import (
    CHAIN,
    DIAMOND,
    LINE,
    PAIR,
    at,
    definition,
    done,
    failed,
    submission,
)
from taskengine.testing.times import NOON

MOST = 1_000  # bytes of a result that is shown


class Overviews:
    async def test_some_tasks_come_in_order_behind_a_place(self, world):
        job_id = await world.start(DIAMOND)
        store = world.store
        assert [task.name for task in await store.some_tasks(job_id, 2)] == ["a", "b"]
        rest = await store.some_tasks(job_id, 9, after=1)
        assert [task.name for task in rest] == ["c", "d"]
        waiting = await store.some_tasks(job_id, 2, state=TaskState.WAITING)
        assert [task.name for task in waiting] == ["b", "c"]
        assert await store.some_tasks(404, 9) == []

    async def test_one_task_is_found_by_its_name(self, world):
        job_id = await world.start(CHAIN)
        [attempt] = await world.claim()
        await world.record(done(attempt, result=1))
        found = await world.store.task(job_id, "a")
        assert (found.name, found.state, found.result) == ("a", TaskState.COMPLETED, None)
        assert await world.store.task(job_id, "z") is None
        assert await world.store.task(404, "a") is None

    async def test_a_summary_counts_tasks_and_what_is_done_of_them(self, world):
        job_id = await world.start(PAIR)
        one, two = await world.claim()
        await world.record(Began(one.fence, at(5)), Began(two.fence, at(3)))
        await world.record(Progressed(one.fence, 0.5), done(two, at(9)))
        summary = await world.store.task_summary(job_id)
        assert summary.counts == {TaskState.WORKING: 1, TaskState.COMPLETED: 1}
        assert (summary.number, summary.done) == (2, 1.5)
        assert (summary.started_at, summary.ended_at) == (at(3), at(9))
        none = await world.store.task_summary(404)
        assert (none.number, none.done, none.started_at) == (0, 0.0, None)

    async def test_a_result_is_shown_unless_it_is_large(self, world):
        job_id = await world.start(CHAIN)
        [attempt] = await world.claim()
        await world.record(done(attempt, names=["x" * 200]))
        text, size = await world.store.task_result(job_id, "a", MOST)
        assert json.loads(text) == {"names": ["x" * 200]}
        assert 200 < size < MOST
        assert await world.store.task_result(job_id, "a", 100) == (None, size)
        assert await world.store.task_result(job_id, "b", MOST) == (None, 0)

    async def test_the_last_lines_of_a_log_come_in_its_order(self, world):
        job_id = await world.start(lines=[LINE])
        [attempt] = await world.claim()
        texts = [(Severity.DEBUG, "one"), (Severity.INFO, "two"), (Severity.INFO, "three")]
        fence = attempt.fence
        await world.record(*(Written(fence, NOON, text, level) for level, text in texts))
        last = await world.store.last_lines(job_id, 2)
        assert [line.message for line in last] == ["two", "three"]
        more = await world.store.last_lines(job_id, 1, before=last[0].id, show_all=True)
        assert [line.message for line in more] == ["one"]
        assert await world.store.last_lines(404, 2) == []

    async def test_instances_tell_what_they_serve_and_how_much_they_run(self, world):
        await world.start(PAIR)
        await world.claim(1)
        second = await world.store.join("second", at(60), lease=9.0)
        one, two = await world.store.instances()
        assert (one.id, one.name, one.joined_at) == (world.instance, "first", NOON)
        assert (one.working, list(one.queues), one.dead) == (1, ["work"], False)
        assert (two.id, two.name, two.lease, two.working) == (second, "second", 9.0, 0)
        assert list(two.queues) == []

    async def test_instances_tell_which_workflow_files_they_have(self, world):
        second = await world.store.join("second", NOON)
        await world.store.put_workflows(second, "abc")
        await world.store.put_workflows(404, "gone")
        assert [one.workflows for one in await world.store.instances()] == [None, "abc"]

    async def test_tasks_at_work_tell_whose_they_are(self, world):
        first = await world.start(content_id="film")
        await world.claim(1)
        second = await world.start(client="beta")
        await world.claim(1, at(5))
        shown = await world.store.at_work(9)
        assert [(one.task.job_id, one.client) for one in shown] == [
            (first, "acme"),
            (second, "beta"),
        ]
        assert (shown[0].instance, shown[0].workflow, shown[0].content_id) == (
            world.instance,
            "demo",
            "film",
        )
        [own] = await world.store.at_work(9, "beta")
        assert own.task.job_id == second
        assert [one.task.job_id for one in await world.store.at_work(1)] == [first]

    async def test_ends_are_counted_by_the_hour_and_stay_counted(self, world):
        for client, fails, seconds in (
            ("acme", False, 10),
            ("acme", True, 20),
            ("beta", False, 3700),
            ("acme", False, 3800),
        ):
            await world.start(client=client)
            [attempt] = await world.claim(1, at(seconds))
            ended = failed if fails else done
            await world.record(ended(attempt, when=at(seconds)))
        hours = await world.store.ends_since(at(0))
        assert [(one.ended, one.failed) for one in hours] == [(2, 1), (2, 0)]
        assert [one.hour for one in hours] == [hour_of(at(0)), hour_of(at(3600))]
        own = await world.store.ends_since(at(3600), "acme")
        assert [(one.ended, one.failed) for one in own] == [(1, 0)]
        await world.store.tidy()
        assert await world.store.ends_since(at(0)) == hours

    async def test_slots_are_told_by_client_and_band(self, world):
        await world.setting("", priority_threshold=3)
        await world.start()
        await world.start(priority=1)
        await world.start(client="beta")
        held = await world.store.slots_held()
        assert held == {("acme", Band.LOW): 1, ("acme", Band.HIGH): 1, ("beta", Band.LOW): 1}
        [attempt, *_] = await world.claim()
        await world.record(failed(attempt))
        assert sum((await world.store.slots_held()).values()) == 2

    async def test_each_queue_tells_since_when_its_first_task_waits(self, world):
        assert await world.store.oldest_waiting() == {}
        other = definition([], queue="windows_capture")
        for plan, priority, seconds in ((CHAIN, 5, 10), (CHAIN, 1, 20), (other, 5, 30)):
            await world.submit(submission(plan, priority=priority), now=at(seconds))
            assert await world.admit(at(seconds)) == 1
        since = await world.store.oldest_waiting()
        assert since == {"work": at(10), "windows_capture": at(30)}
        await world.claim(2, at(40))
        assert await world.store.oldest_waiting() == {"windows_capture": at(30)}
