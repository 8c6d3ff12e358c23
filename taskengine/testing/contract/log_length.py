"""Promises of the length of logs, and of those who follow them."""

import pytest

from taskengine.model import JobState, Severity, Written
from taskengine.store import log_retention
from taskengine.testing.contract.world import done
from taskengine.testing.times import NOON

LIMIT, ROOM = 20, 5


async def write(world, attempt, numbers, severity=Severity.INFO):
    await world.record(
        *(Written(attempt.fence, NOON, f"line {number}", severity) for number in numbers)
    )


def texts(lines):
    return [text for _, _, text in lines]


class LogLength:
    @pytest.fixture
    def short_logs(self, monkeypatch):
        monkeypatch.setattr(log_retention, "KEPT", LIMIT)
        monkeypatch.setattr(log_retention, "REMOVED_AT_ONCE", ROOM)

    async def test_the_oldest_lines_of_a_long_log_go(self, world, short_logs):
        job_id = await world.start()
        [attempt] = await world.claim()
        await write(world, attempt, range(20))
        assert len(await world.lines(job_id)) == LIMIT
        await write(world, attempt, range(20, 21))
        lines = await world.lines(job_id)
        assert lines[0] == ("recorder", 0, "6 older lines were removed: a log keeps 20")
        assert texts(lines[1:]) == [f"line {number}" for number in range(6, 21)]

    async def test_the_notice_tells_of_all_that_were_ever_removed(self, world, short_logs):
        job_id = await world.start()
        [attempt] = await world.claim()
        for number in range(200):
            await write(world, attempt, [number])
            assert len(await world.lines(job_id)) <= LIMIT
        first, *rest = texts(await world.lines(job_id))
        assert first == f"{200 - len(rest)} older lines were removed: a log keeps 20"
        assert rest == [f"line {number}" for number in range(200 - len(rest), 200)]

    async def test_warnings_outlive_the_rest(self, world, short_logs):
        job_id = await world.start()
        [attempt] = await world.claim()
        await write(world, attempt, range(3), Severity.WARN)
        await write(world, attempt, range(3, 6), Severity.DEBUG)
        await write(world, attempt, range(6, 60))
        lines = texts(await world.lines(job_id))
        assert lines[:3] == ["line 0", "line 1", "line 2"]
        assert lines[3].endswith("older lines were removed: a log keeps 20")
        assert lines[-1] == "line 59"

    async def test_where_there_are_only_warnings_the_oldest_go(self, world, short_logs):
        job_id = await world.start()
        [attempt] = await world.claim()
        for start in range(0, 60, 10):
            await write(world, attempt, range(start, start + 10), Severity.ERROR)
        first, *rest = texts(await world.lines(job_id))
        assert first == f"{60 - len(rest)} older lines were removed: a log keeps 20"
        assert rest == [f"line {number}" for number in range(60 - len(rest), 60)]

    async def test_other_logs_are_left_alone(self, world, short_logs):
        one, other = await world.start(), await world.start()
        first, second = await world.claim()
        await write(world, second, range(10))
        await write(world, first, range(100))
        assert texts(await world.lines(other)) == [f"line {number}" for number in range(10)]
        assert len(await world.lines(one)) <= LIMIT

    async def test_what_is_refused_removes_nothing(self, world, short_logs):
        job_id = await world.start()
        [attempt] = await world.claim()
        await write(world, attempt, range(18))
        other = await world.store.join("second", NOON)
        records = [Written(attempt.fence, NOON, "late")] * 10
        assert (await world.record(*records, instance=other)).stale == {attempt.fence}
        assert len(await world.lines(job_id)) == 18

    async def test_updates_do_not_fill_a_log_either(self, world, short_logs):
        job_id = await world.start()
        line = (Severity.INFO, "api", "updated")
        for _ in range(50):
            await world.store.change(job_id, {"queue_state": JobState.PAUSED}, [line], NOON)
        assert len(await world.lines(job_id)) <= LIMIT

    async def test_a_job_with_a_shortened_log_ends_as_any_other(self, world, short_logs):
        job_id = await world.start()
        [attempt] = await world.claim()
        lines = [Written(attempt.fence, NOON, f"line {number}") for number in range(100)]
        assert (await world.record(*lines, done(attempt))).ended_jobs == (job_id,)
        assert texts(await world.lines(job_id))[-1] == "job has completed successfully"

    async def test_a_follower_reads_what_is_new(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        await write(world, attempt, range(3))
        lines = [line async for page in world.store.log(job_id) for line in page]
        await write(world, attempt, range(3, 5))
        new = [line async for page in world.store.log(job_id, after=lines[-1].id) for line in page]
        assert [line.message for line in new] == ["line 3", "line 4"]
        pages = world.store.log(job_id, after=new[-1].id)
        assert [line async for page in pages for line in page] == []

    async def test_a_follower_that_is_late_is_told_what_it_missed(self, world, short_logs):
        job_id = await world.start()
        [attempt] = await world.claim()
        await write(world, attempt, range(3))
        lines = [line async for page in world.store.log(job_id) for line in page]
        await write(world, attempt, range(3, 100))
        pages = world.store.log(job_id, after=lines[-1].id)
        new = [line.message async for page in pages for line in page]
        assert new[0].endswith("older lines were removed: a log keeps 20")
        assert new[-1] == "line 99"
