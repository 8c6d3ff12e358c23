"""Promises of records and their fence."""

from taskengine.model import Began, Ended, Outcome, Progressed, Severity, Written
from taskengine.testing.contract.world import (
    CHAIN,
    DIAMOND,
    ONE,
    PAIR,
    again,
    at,
    done,
    failed,
    released,
    submission,
)
from taskengine.testing.times import NOON


class Records:
    async def test_lines_stand_in_the_order_told(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        texts = [f"line {n}" for n in range(20)]
        await world.record(*(Written(attempt.fence, NOON, text) for text in texts[:15]))
        lines = [Written(attempt.fence, NOON, text) for text in texts[15:]]
        await world.record(*lines, done(attempt))
        assert await world.lines(job_id) == [
            *(("worker", attempt.task.id, text) for text in texts),
            ("controller", attempt.task.id, "job has completed successfully"),
        ]

    async def test_hidden_lines_are_shown_on_demand(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        await world.record(
            Written(attempt.fence, NOON, "hidden", Severity.DEBUG),
            Written(attempt.fence, NOON, "shown", Severity.WARN),
        )
        assert [line[2] for line in await world.lines(job_id, show_all=False)] == ["shown"]
        assert [line[2] for line in await world.lines(job_id)] == ["hidden", "shown"]

    async def test_progress_is_kept(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        await world.record(Progressed(attempt.fence, 0.25), Progressed(attempt.fence, 0.5))
        assert (await world.job(job_id)).tasks[0].progress == 0.5
        await world.record(done(attempt))
        assert (await world.job(job_id)).tasks[0].progress == 1

    async def test_a_stale_attempt_writes_nothing(self, world):
        job_id = await world.start(urls=[ONE])
        [old] = await world.claim()
        await world.record(released(old))
        [new] = await world.claim()
        before = await world.job(job_id)
        for record in (
            Written(old.fence, NOON, "late"),
            Progressed(old.fence, 0.5),
            Began(old.fence, at(9)),
            done(old),
            failed(old),
            again(old, at(9)),
        ):
            recorded = await world.record(record)
            assert recorded.stale == {old.fence}
        assert await world.job(job_id) == before
        assert await world.lines(job_id) == []
        assert await world.lanes(at(99)) == []
        assert not (await world.record(done(new))).stale

    async def test_another_instance_writes_nothing(self, world):
        await world.start()
        [attempt] = await world.claim()
        other = await world.store.join("second", NOON)
        recorded = await world.record(done(attempt), instance=other)
        assert recorded.stale == {attempt.fence}
        assert await world.store.current(world.instance, attempt.fence)
        assert not await world.store.current(other, attempt.fence)

    async def test_a_stale_record_spoils_no_other_of_its_batch(self, world):
        job_id = await world.start(PAIR)
        one, two = await world.claim()
        await world.record(released(one))
        recorded = await world.record(Written(one.fence, NOON, "late"), done(two))
        assert recorded.stale == {one.fence}
        assert await world.states(job_id) == ["started", "queued", "completed"]

    async def test_what_comes_after_an_end_is_stale(self, world):
        job_id = await world.start(PAIR)
        [attempt, _] = await world.claim()
        recorded = await world.record(done(attempt), Written(attempt.fence, NOON, "late"))
        assert recorded.stale == {attempt.fence}
        assert await world.lines(job_id) == []

    async def test_an_end_repeated_after_a_lost_answer_changes_nothing(self, world):
        for end in (done, failed, released, lambda one: again(one, at(9))):
            job_id = await world.start(urls=[ONE])
            [attempt] = await world.claim(1)
            await world.record(end(attempt))
            before = await world.job(job_id), await world.lines(job_id), await world.store.totals()
            recorded = await world.record(end(attempt), end(attempt))
            assert (recorded.stale, recorded.ended_jobs) == (frozenset(), ())
            after = await world.job(job_id), await world.lines(job_id), await world.store.totals()
            assert before == after
            for one in await world.claim(now=at(9)):
                await world.record(failed(one))
        assert {len(events) for events in (await world.events()).values()} == {2 + 2 + 2 + 2}

    async def test_another_end_of_an_ended_attempt_is_stale(self, world):
        await world.start()
        [attempt] = await world.claim()
        await world.record(done(attempt))
        assert (await world.record(failed(attempt))).stale == {attempt.fence}

    async def test_an_end_like_that_of_a_later_attempt_is_stale(self, world):
        await world.start()
        [old] = await world.claim()
        await world.record(released(old))
        [new] = await world.claim()
        assert not await world.store.current(world.instance, old.fence)
        await world.record(done(new))
        assert (await world.record(done(old))).stale == {old.fence}

    async def test_a_start_is_called_once_whichever_attempt_begins_first(self, world):
        job_id = await world.start(urls=[ONE])
        [lost] = await world.claim()
        await world.record(released(lost))
        for number in (2, 3):
            [attempt] = await world.claim()
            began = Began(attempt.fence, at(number))
            await world.record(began, began)
            await world.record(began)
            assert (await world.job(job_id)).tasks[0].started_at == at(number)
            await world.record(again(attempt, NOON))
        assert await world.events() == {ONE: ["start"]}

    async def test_a_retry_counts_a_failure_and_calls_nobody(self, world):
        job_id = await world.start(urls=[ONE])
        [attempt] = await world.claim()
        recorded = await world.record(Progressed(attempt.fence, 0.5), again(attempt, at(9)))
        assert (recorded.woken, recorded.ended_jobs) == (True, ())
        [task] = (await world.job(job_id)).tasks
        assert (task.state.label, task.failures, task.error) == ("queued", 1, "boom")
        assert (task.progress, task.ended_at) == (0, None)
        assert await world.events() == {}
        assert (await world.store.totals()).tasks_failed == 0

    async def test_a_task_handed_back_counts_no_failure_and_is_due_at_once(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        await world.record(released(attempt, at(3)))
        [task] = (await world.job(job_id)).tasks
        assert (task.state.label, task.failures, task.rescues) == ("queued", 0, 0)
        assert len(await world.claim(now=at(3))) == 1

    async def test_the_tasks_after_a_skipped_one_go_on_and_nobody_is_called(self, world):
        job_id = await world.start(CHAIN, urls=[ONE])
        for _ in range(3):
            [attempt] = await world.claim()
            await world.record(Ended(attempt.fence, NOON, Outcome.SKIPPED))
        assert await world.states(job_id) == ["completed", *["skipped"] * 3]
        assert await world.events() == {ONE: ["end"]}

    async def test_siblings_that_end_in_one_batch_let_their_successor_go_on_once(self, world):
        job_id = await world.start(DIAMOND)
        await world.record(done((await world.claim())[0]))
        left, right = await world.claim()
        assert (await world.record(done(left), done(right))).woken
        assert await world.states(job_id) == ["started", *["completed"] * 3, "queued"]

    async def test_a_successor_waits_for_the_last_of_its_needs(self, world):
        job_id = await world.start(DIAMOND)
        await world.record(done((await world.claim())[0]))
        left, right = await world.claim()
        await world.record(done(right))
        assert (await world.states(job_id))[-1] == "waiting"
        await world.record(done(left))
        assert (await world.states(job_id))[-1] == "queued"

    async def test_a_job_ends_with_its_last_task(self, world):
        ids = await world.submit(submission(), submission(PAIR))
        await world.admit()
        single, one, two = await world.claim()
        recorded = await world.record(done(single, at(1)), done(two, at(2)))
        assert recorded.ended_jobs == (ids[0],)
        recorded = await world.record(done(one, at(3)))
        assert recorded.ended_jobs == (ids[1],)
        job = (await world.job(ids[1])).job
        assert (job.state.label, job.failed, job.updated_at) == ("completed", False, at(3))
        last = (await world.lines(ids[1]))[-1]
        assert last == ("controller", one.task.id, "job has completed successfully")

    async def test_results_and_times_of_tasks_are_shown(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        await world.record(Began(attempt.fence, at(1)), done(attempt, at(2), files=[]))
        [task] = (await world.job(job_id)).tasks
        assert (task.result, task.started_at, task.ended_at) == ({"files": []}, at(1), at(2))
