"""`workflows.md` 1.4 and 2: times, gates, clips, switching, by exact virtual times."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest
import trio

from taskengine.model import JobState
from taskengine.policy import SYSTEM
from taskengine.testing.virtual import instance, receiver, workflow
from tests.conftest import NOON

FLOW = workflow("only")
YEAR = 365 * 86_400
CLIPS = [
    ("2030-01-02T04:00:00", "2030-01-02T05:00:00"),
    ("2030-01-02T03:30:00", "2030-01-02T04:00"),
]


def capture(*clips, continuous=False, **job):
    """A submission of a capture; clips are (start, end)."""
    listed = [{"start": start, "end": end} for start, end in clips]
    parameters = {"clips": listed, "continuous_capture": continuous}
    return {"job": {"workflow": "vodcapture", **job}, "parameters": parameters}


async def run_at(client, content):
    status, answer = await client.send("POST", "/job", content)
    assert status == 200, answer
    return (await client.job(answer["id"]))["run_at"][11:]


async def test_a_gate_is_asked_at_the_interval_and_backs_off(memory_store, autojump_clock):
    """It opens at the fourth question; the interval governs the re-checks (A5)."""
    asked = []

    def answer(request):
        return httpx.Response(302 if len(asked) == 4 else 404)

    await memory_store.put_setting(SYSTEM, "schedule_interval", "30")
    async with instance(memory_store, http=receiver(asked, answer)) as engine:
        number = await engine.submit(FLOW, semaphore_url="http://gate.test/7")
        assert (await engine.job(number)).job.state is JobState.SCHEDULED
        await trio.sleep(300)
        job = (await engine.job(number)).job
        lines = [message for _, message in await engine.lines(number) if "gate" in message]
    assert [round(time, 3) for time, _ in asked] == [0, 30, 90, 210]
    assert {request.method for _, request in asked} == {"GET"}
    assert job.state is JobState.COMPLETED
    assert lines == ["The gate is closed: HTTP 404", "The gate is open: HTTP 302"]


@pytest.mark.parametrize("status", [200, 204, 301, 302, 399])
async def test_2xx_and_3xx_open_a_gate(memory_store, autojump_clock, status):
    heard = []
    opened = receiver(heard, lambda request: httpx.Response(status))
    async with instance(memory_store, http=opened) as engine:
        number = await engine.submit(FLOW, semaphore_url="http://gate.test/7")
        await trio.sleep(1)
        assert (await engine.job(number)).job.state is JobState.COMPLETED
    assert len(heard) == 1  # redirects are not followed


@pytest.mark.parametrize("status", [400, 404, 500, 503, None])
async def test_other_answers_and_none_leave_it_closed(memory_store, autojump_clock, status):
    def answer(request):
        if status is None:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(status)

    async with instance(memory_store, http=receiver([], answer)) as engine:
        number = await engine.submit(FLOW, semaphore_url="http://gate.test/7")
        await trio.sleep(10)
        assert (await engine.job(number)).job.state is JobState.SCHEDULED


async def test_a_silent_gate_is_given_up_after_ten_seconds(memory_store, autojump_clock):
    ended = []

    async def silent(request):
        try:
            await trio.sleep(3600)
        finally:
            ended.append(trio.current_time())

    http = httpx.AsyncClient(transport=httpx.MockTransport(silent))
    async with instance(memory_store, http=http) as engine:
        number = await engine.submit(FLOW, semaphore_url="http://gate.test/7")
        await trio.sleep(60)
        assert (await engine.job(number)).job.state is JobState.SCHEDULED
    assert ended == [10]


async def test_a_gate_is_asked_only_once_its_time_has_come(memory_store, autojump_clock):
    asked = []
    async with instance(memory_store, http=receiver(asked)) as engine:
        due = NOON + timedelta(seconds=100)
        number = await engine.submit(FLOW, semaphore_url="http://gate.test/7", run_at=due)
        await trio.sleep(99)
        assert asked == []
        await trio.sleep(2)
        assert (await engine.job(number)).job.state is JobState.COMPLETED
    assert [round(time, 3) for time, _ in asked] == [100]


async def test_switched_off_no_job_comes_due_and_switched_on_again_it_does(
    memory_store, autojump_clock
):
    """A5: `queue_scheduled_jobs` stops the exact wake-up too."""
    asked = []
    async with instance(memory_store, http=receiver(asked)) as engine:
        due = NOON + timedelta(seconds=100)
        timed = await engine.submit(FLOW, run_at=due)
        gated = await engine.submit(FLOW, semaphore_url="http://gate.test/7", run_at=due)
        for second, active in ((50, False), (500, True)):
            await trio.sleep_until(second)
            states = {(await engine.job(number)).job.state for number in (timed, gated)}
            assert states == {JobState.SCHEDULED}
            await memory_store.activate("queue_scheduled_jobs", None, active, engine.now())
            engine.engine.mailboxes.announce_reschedule()
        await trio.sleep(1)
        jobs = [(await engine.job(number)).job for number in (timed, gated)]
    assert {job.state for job in jobs} == {JobState.COMPLETED}
    assert [round(time, 3) for time, _ in asked] == [500]


# The clip rule (A17, A18): now is 03:04:05.678


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({}, "05:00:00.000Z"),  # the latest end
        ({"run_at": "2030-01-02T04:30:00"}, "05:00:00.000Z"),  # an earlier one does not win
        ({"run_at": "2030-01-02T06:00:00"}, "06:00:00.000Z"),  # a later one stays in force
    ],
)
async def test_a_capture_runs_when_its_last_clip_has_ended(client, job, expected):
    assert await run_at(client, capture(*CLIPS, **job)) == expected


async def test_a_capture_stays_scheduled_until_its_last_clip_has_ended(client):
    _, answer = await client.send("POST", "/job", capture(*CLIPS))
    assert await client.state(answer["id"]) == "scheduled"
    _, lines = await client.open(f"/logs/{answer['id']}")
    assert lines[-1]["message"] == 'Job will run at: "2030-01-02T05:00:00.000"'


async def test_clips_that_have_ended_change_nothing(client):
    assert (
        await run_at(client, capture(("2030-01-01T04:00", "2030-01-01T05:00"))) == "03:04:05.678Z"
    )


@pytest.mark.parametrize(
    ("clips", "job", "expected"),
    [
        (CLIPS, {}, "04:42:00.000Z"),  # from 03:30 to 05:00, four fifths of it
        ([("2030-01-02T04:00:00", "2030-01-02T04:00:59")], {}, "04:00:00.000Z"),
        ([("2030-01-02T04:00:00", "2030-01-02T04:01:00")], {}, "04:00:48.000Z"),
        (CLIPS, {"run_at": "2030-01-02T03:45:00"}, "03:45:00.000Z"),
        (CLIPS, {"run_at": "2030-01-02T07:00:00"}, "07:00:00.000Z"),
    ],
)
async def test_a_continuous_capture_starts_before_the_end(client, clips, job, expected):
    assert await run_at(client, capture(*clips, continuous=True, **job)) == expected


@pytest.mark.parametrize(
    ("continuous", "asked", "expected"),
    [
        (False, "2030-01-02T04:30:00", "05:00:00.000Z"),
        (False, "2030-01-02T06:00:00", "06:00:00.000Z"),
        (True, "2030-01-02T04:30:00", "04:30:00.000Z"),
    ],
)
async def test_the_rule_holds_for_updates_too(client, continuous, asked, expected):
    _, answer = await client.send("POST", "/job", capture(*CLIPS, continuous=continuous))
    status, _ = await client.send("PUT", f"/job/{answer['id']}", {"run_at": asked})
    assert status == 200
    assert (await client.job(answer["id"]))["run_at"][11:] == expected


# Callbacks


async def test_the_callbacks_of_a_job(memory_store, autojump_clock):
    """Section 2: which, in which order, with which fields; ids as texts, defaults (A24, A25)."""
    heard = []
    flow = workflow("one", "two")
    async with instance(memory_store, http=receiver(heard)) as engine:
        number = await engine.submit(
            flow, {"custom_data": {"ticket": 9}}, urls=["http://a.test/"], content_id="c-77"
        )
        await trio.sleep(1)
    requests = [request for _, request in heard]
    bodies = [json.loads(request.content) for request in requests]
    tasks, ended = bodies[:-1], bodies[-1]
    assert [(one["event"], one["task_name"]) for one in tasks] == [
        ("start", "one"),
        ("complete", "one"),
        ("start", "two"),
        ("complete", "two"),
    ]
    fields = ["job_id", "task_id", "task_name", "workflow", "event", "content_id", "message"]
    assert [list(one) for one in tasks] == [[*fields, "time", "client"]] * 4
    assert list(ended) == [
        *["job_id", "status", "workflow", "content_id", "custom_data"],
        *["message", "time", "client"],
    ]
    assert (ended["status"], ended["custom_data"], ended["message"]) == (
        "completed",
        {"ticket": 9},
        "",
    )
    assert {one["job_id"] for one in bodies} == {str(number)}
    assert all(isinstance(one["task_id"], str) for one in tasks)
    assert {(one["content_id"], one["client"], one["workflow"]) for one in bodies} == {
        ("c-77", "acme", "job")
    }
    assert {request.method for request in requests} == {"POST"}
    assert {request.headers["content-type"] for request in requests} == {"application/json"}
