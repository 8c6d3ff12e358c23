"""Promises of lists and logs."""

from dataclasses import replace
from datetime import timedelta

import pytest

from taskengine.model import JobState, Severity, Written
from taskengine.store import JobFilter
from taskengine.testing.contract.world import LATER, at, done, failed, submission
from taskengine.testing.times import NOON


class Lists:
    async def ids(self, world, **fields) -> list[int]:
        return [job.id for job in await world.store.jobs(JobFilter(**fields))]

    async def test_the_newest_jobs_come_first_and_no_more_than_asked(self, world):
        ids = await world.submit(*(submission() for _ in range(12)))
        assert await self.ids(world) == ids[:1:-1]
        assert await self.ids(world, limit=3, ascending=True) == ids[:3]

    @pytest.mark.parametrize("order", ["priority", "position", "created_at", "workflow", "state"])
    async def test_jobs_are_listed_in_the_order_asked(self, world, order):
        ids = []
        for number, (priority, position, name) in enumerate(
            [(5, 2, "b"), (3, 9, "a"), (5, 1, "c")]
        ):
            one = submission(priority=priority, position=position, workflow=name)
            one = replace(one, run_at=at(99) if number == 1 else None)
            ids += await world.submit(one, now=NOON - timedelta(seconds=number))
        expected = {
            "priority": [1, 0, 2],
            "position": [2, 0, 1],
            "created_at": [2, 1, 0],
            "workflow": [1, 0, 2],
            "state": [0, 2, 1],
        }[order]
        assert await self.ids(world, order_by=order, ascending=True) == [ids[n] for n in expected]
        assert await self.ids(world, order_by=order) == [ids[n] for n in expected][::-1]

    async def test_filters_narrow_the_list(self, world):
        one, two, three = [
            *await world.submit(submission(content_id="Movie-1")),
            *await world.submit(submission(client="beta", content_id="movie-2"), now=at(60)),
            *await world.submit(submission(run_at=at(999), content_id="50%_off"), now=at(120)),
        ]
        for fields, expected in (
            ({"client": "beta"}, [two]),
            ({"states": [JobState.SCHEDULED]}, [three]),
            ({"states": [JobState.SCHEDULED, JobState.QUEUED]}, [three, two, one]),
            ({"since": at(60)}, [three, two]),
            ({"until": at(60)}, [two, one]),
            ({"job_ids": [one, three, 404]}, [three, one]),
            ({"search": "MOVIE"}, [two, one]),
            ({"search": "movie-1"}, [one]),
            ({"search": "ovie"}, []),
            ({"search": "50%_"}, [three]),
            ({"search": "%"}, []),
            ({"search": str(two)}, [two]),
            ({"search": f"0{two}"}, []),
            ({"search": "²"}, []),
            ({"search": "9" * 40}, []),
            ({"client": "acme", "search": "movie", "until": at(1)}, [one]),
        ):
            assert await self.ids(world, **fields) == expected, fields

    async def test_failed_says_how_completed_jobs_ended(self, world):
        good, bad, _ = await world.submit(*(submission() for _ in range(3)))
        await world.admit()
        one, two, _ = await world.claim()
        await world.record(done(one), failed(two))
        assert await self.ids(world, failed=False) == [good]
        assert await self.ids(world, failed=True) == [bad]
        assert await self.ids(world, failed=True, states=[JobState.STARTED]) == []

    async def test_a_long_log_is_told_whole(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        texts = [str(number) for number in range(2_500)]
        for start in range(0, 2_500, 500):
            await world.record(
                *(
                    Written(attempt.fence, NOON, text, Severity(int(text) % 2))
                    for text in texts[start : start + 500]
                )
            )
        assert [line[2] for line in await world.lines(job_id)] == texts
        assert [line[2] for line in await world.lines(job_id, show_all=False)] == texts[1::2]
        assert await world.lines(404) == []

    async def test_a_workspace_is_needed_until_the_last_task_has_ended(self, world):
        job_id = await world.start()
        assert await world.store.workspaces_in_use([job_id, 404], LATER) == {job_id}
        await world.record(done((await world.claim())[0]))
        assert await world.store.workspaces_in_use([job_id], LATER) == frozenset()

    async def test_totals_tell_what_there_is(self, world):
        await world.submit(submission(None), submission(run_at=at(9)), submission(), submission())
        await world.admit(limit=1)
        totals = await world.store.totals()
        assert {(state.label, failed): n for (state, failed), n in totals.jobs.items()} == {
            ("broken", True): 1,
            ("scheduled", False): 1,
            ("started", False): 1,
            ("queued", False): 1,
        }
        assert (totals.queued, totals.tasks_processed) == ({"work": 1}, 0)
        await world.record(failed((await world.claim())[0]))
        totals = await world.store.totals()
        assert (totals.queued, totals.tasks_processed, totals.tasks_failed) == ({}, 1, 1)
