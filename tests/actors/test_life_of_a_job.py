"""From submission to the last callback, by exact virtual times."""

import json
from dataclasses import replace
from datetime import timedelta

import httpx
import trio

from taskengine.actors.scheduler import Scheduler
from taskengine.model import JobState, TaskState
from taskengine.pauses import Pause, PauseKind
from taskengine.policy import SYSTEM
from taskengine.runtime.clock import virtual_clock
from taskengine.runtime.mailbox import Mailbox
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import actions_with, instance, receiver, submission, workflow
from tests.conftest import NOON

COMMON = "No client definitions. Using common definitions."


async def test_a_job_runs_its_tasks_in_order_and_ends(memory_store, autojump_clock):
    seen = []

    async def step(context, *, text: str):
        seen.append((trio.current_time(), text))
        await trio.sleep(2)
        return {"text": text + "!"}

    flow = workflow(
        ("first", "test.step", {"with": {"text": "{{ word }}"}}),
        ("second", "test.step", {"with": {"text": "{{ tasks.first.text }}"}}),
    )
    async with instance(memory_store, actions=actions_with(step=step)) as engine:
        job_id = await engine.submit(flow, {"word": "hey"})
        await trio.sleep(5)
        details = await engine.job(job_id)
        assert details.job.state is JobState.COMPLETED
        assert not details.job.failed
        assert await engine.lines(job_id) == [
            ("api", "submitted"),
            ("worker", COMMON),
            ("worker", "Task 'first' started"),
            ("worker", "'first' completed successfully"),
            ("worker", COMMON),
            ("worker", "Task 'second' started"),
            ("worker", "'second' completed successfully"),
            ("controller", "job has completed successfully"),
        ]
    assert seen == [(0, "hey"), (2, "hey!")]


async def test_parallel_tasks_run_together_and_join(memory_store, autojump_clock):
    ends = []

    async def wait(context, *, seconds: float):
        await trio.sleep(seconds)
        ends.append((context.attempt.task.name, trio.current_time()))

    def sleep(name, seconds, needs):
        return (name, "test.wait", {"with": {"seconds": seconds}, "needs": needs})

    flow = workflow(
        sleep("a", 1, []), sleep("b", 3, []), sleep("c", 2, ["a"]), sleep("d", 1, ["b", "c"])
    )
    async with instance(memory_store, actions=actions_with(wait=wait)) as engine:
        await engine.submit(flow)
        await trio.sleep(10)
    assert sorted(ends) == [("a", 1), ("b", 3), ("c", 3), ("d", 4)]


async def test_callbacks_arrive_in_order_twice_n_plus_one(memory_store, autojump_clock):
    heard = []
    flow = workflow("one", "two", callback={"message": "{{ word }}"})
    async with instance(memory_store, http=receiver(heard)) as engine:
        urls = ("http://a.test/hook", "http://b.test/hook")
        await engine.submit(flow, {"word": "done"}, urls=urls, content_id="c-1")
        await trio.sleep(30)
    for host in ("a.test", "b.test"):
        bodies = [json.loads(r.content) for _, r in heard if r.url.host == host]
        assert [body.get("event", body.get("status")) for body in bodies] == [
            "start",
            "complete",
            "start",
            "complete",
            "completed",
        ]
        assert bodies[-1]["message"] == "done"
        assert {body["job_id"] for body in bodies} == {"1"}
        assert all(body["time"].startswith("2031-02-01T12:00:") for body in bodies)
    assert len({r.headers["webhook-id"] for _, r in heard}) == 10


async def test_the_callback_of_a_task_has_what_its_file_wants_of_the_result(
    memory_store, autojump_clock
):
    heard = []

    async def give(context):
        return {"files": ["a.gif"], "more": 1}

    flow = workflow(("one", "test.give", {"callback": ["files", "nothing"]}), "two")
    actions = actions_with(give=give)
    async with instance(memory_store, actions=actions, http=receiver(heard)) as engine:
        await engine.submit(flow, urls=["http://a.test/hook"])
        await trio.sleep(30)
    bodies = [json.loads(request.content) for _, request in heard]
    assert [body.get("files") for body in bodies] == [None, ["a.gif"], None, None, None]
    assert not any("more" in body or "nothing" in body for body in bodies)


async def test_each_callback_event_has_one_line_after_the_controllers(memory_store, autojump_clock):
    flow = workflow("only")
    async with instance(memory_store, http=receiver([])) as engine:
        job_id = await engine.submit(flow, urls=("http://a.test/", "http://b.test/"))
        await trio.sleep(30)
        lines = await engine.lines(job_id)
    assert [progname for progname, _ in lines].count("callback") == 3
    names = [progname for progname, _ in lines]
    assert names[-2:] == ["callback", "callback"]


async def test_a_failing_receiver_is_tried_again_in_order(memory_store, autojump_clock):
    heard = []

    def answer(request):
        return httpx.Response(503 if len(heard) <= 2 else 200)

    async with instance(memory_store, http=receiver(heard, answer)) as engine:
        await engine.submit(workflow("only"), urls=("http://a.test/",))
        await trio.sleep(120)
    times = [time for time, _ in heard]
    assert times[0] == 0
    assert 4 <= times[1] <= 6
    assert 24 <= times[2] - times[1] <= 36
    assert times[2] == times[3] == times[4]
    ids = [request.headers["webhook-id"] for _, request in heard]
    assert ids[0] == ids[1] == ids[2]
    assert [json.loads(r.content).get("event") for _, r in heard[2:]] == ["start", "complete", None]


async def test_replay_sends_what_a_dead_lane_missed_in_order(memory_store, autojump_clock):
    heard = []

    def answer(request):
        return httpx.Response(410 if len(heard) == 1 else 200)

    async with instance(memory_store, http=receiver(heard, answer)) as engine:
        job_id = await engine.submit(workflow("one", "two"), urls=("http://a.test/",))
        await trio.sleep(100)
        assert len(heard) == 1
        log = await memory_store.callbacks(job_id)
        assert [entry.state for entry in log] == ["dead"] * 5
        await memory_store.replay(log[3].id, engine.now())
        engine.engine.mailboxes.announce_change()
        await trio.sleep(0.5)
        log = await memory_store.callbacks(job_id)
        assert [entry.state for entry in log] == ["delivered"] * 5
    assert [time for time, _ in heard] == [0] + [100] * 5
    ids = [request.headers["webhook-id"] for _, request in heard]
    assert ids == [log[0].webhook_id, *(entry.webhook_id for entry in log)]


async def test_a_hanging_receiver_holds_up_no_other(memory_store, autojump_clock):
    heard = []

    async def handle(request):
        heard.append((trio.current_time(), request.url.host))
        if request.url.host == "slow.test":
            await trio.sleep_forever()
        return httpx.Response(200)

    http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    async with instance(memory_store, http=http, work=8) as engine:
        await engine.store.put_setting(SYSTEM, "max_jobs", "50")
        for number in range(40):
            host = "slow.test" if number < 35 else "fast.test"
            await engine.submit(workflow("only"), urls=(f"http://{host}/{number}",))
        await trio.sleep(14)
        assert [host for _, host in heard].count("slow.test") <= 2
        assert [host for _, host in heard].count("fast.test") == 15


async def test_a_failure_is_tried_again_after_the_delay(memory_store, autojump_clock):
    times = []

    async def flaky(context):
        times.append(trio.current_time())
        if len(times) < 3:
            raise RuntimeError("not yet")

    async with instance(memory_store, actions=actions_with(flaky=flaky)) as engine:
        job_id = await engine.submit(workflow(("only", "test.flaky")))
        await trio.sleep(20)
        details = await engine.job(job_id)
        lines = await engine.lines(job_id)
    assert [round(time, 3) for time in times] == [0, 5, 10]
    assert not details.job.failed
    [task] = details.tasks
    assert (task.attempt, task.failures) == (3, 2)
    told = "'only' failed: RuntimeError: not yet; retry 1 of 3 in 5 s"
    assert ("worker", told) in lines


async def test_after_the_last_retry_the_job_has_failed(memory_store, autojump_clock):
    heard = []
    flow = workflow(("bad", "core.fail", {"with": {"message": "no luck"}}), "never")
    async with instance(memory_store, http=receiver(heard)) as engine:
        job_id = await engine.submit(flow, urls=("http://a.test/",))
        await trio.sleep(60)
        details = await engine.job(job_id)
        lines = await engine.lines(job_id)
    assert details.job.state is JobState.COMPLETED
    assert details.job.failed
    assert [task.state for task in details.tasks] == [TaskState.FAILED, TaskState.CANCELLED]
    assert details.tasks[0].attempt == 4
    assert lines[-4:-2] == [
        ("worker", "'bad' failed: no luck"),
        ("controller", "job has failed: 'bad' failed: no luck"),
    ]
    bodies = [json.loads(request.content) for _, request in heard]
    assert [body.get("event", body.get("status")) for body in bodies] == ["start", "fail", "failed"]
    assert bodies[1]["message"] == "no luck"


async def test_retries_of_the_workflow_file_win_over_the_settings(memory_store, autojump_clock):
    retry = {"retry": {"limit": 2, "delay": 10, "backoff": 3}}
    flow = workflow(("bad", "core.fail", {"with": {"message": "no"}, **retry}))
    async with instance(memory_store) as engine:
        job_id = await engine.submit(flow)
        await trio.sleep(39.5)
        assert (await engine.job(job_id)).job.state is JobState.STARTED
        await trio.sleep(1)
        assert (await engine.job(job_id)).job.failed


async def test_a_task_whose_condition_is_false_leaves_no_trace(memory_store, autojump_clock):
    heard = []
    flow = workflow(("maybe", "core.noop", {"when": "{{ wanted }}"}), "always")
    async with instance(memory_store, http=receiver(heard)) as engine:
        job_id = await engine.submit(flow, {"wanted": False}, urls=("http://a.test/",))
        await trio.sleep(20)
        details = await engine.job(job_id)
        pages = memory_store.log(job_id)
        visible = [line.message async for page in pages for line in page]
    assert [task.state for task in details.tasks] == [TaskState.SKIPPED, TaskState.COMPLETED]
    assert not any("maybe" in message for message in visible)
    assert len(heard) == 3


async def test_a_task_over_its_time_limit_fails(memory_store, autojump_clock):
    limits = {"timeout": 7, "retry": {"limit": 0}, "with": {"seconds": 100}}
    async with instance(memory_store) as engine:
        job_id = await engine.submit(workflow(("long", "core.sleep", limits)))
        await trio.sleep(8)
        details = await engine.job(job_id)
    assert details.tasks[0].error == "timed out"
    assert details.job.failed


async def test_secrets_are_in_no_line(memory_store, autojump_clock):
    async def leak(context, *, key: str):
        await context.info(f"using {key}")
        raise RuntimeError(f"wrong key {key}")

    more = {"with": {"key": "{{ content_key }}"}, "retry": {"limit": 0}}
    flow = workflow(("leak", "test.leak", more))
    async with instance(memory_store, actions=actions_with(leak=leak)) as engine:
        job_id = await engine.submit(flow, {"content_key": "0123456789abcdef"})
        await trio.sleep(5)
        lines = await engine.lines(job_id)
        details = await engine.job(job_id)
    assert "0123456789abcdef" not in repr(lines) + repr(details.tasks)


async def test_slots_bound_the_jobs_that_run(memory_store, autojump_clock):
    running = []

    async def count(context):
        running.append(+1)
        peaks.append(sum(running))
        await trio.sleep(3)
        running.append(-1)

    peaks = []
    async with instance(memory_store, actions=actions_with(count=count), work=9) as engine:
        for _ in range(6):
            await engine.submit(workflow(("only", "test.count")))
        await trio.sleep(60)
        assert len(peaks) == 6
    assert max(peaks) == 2


async def test_a_job_due_in_a_year_is_queued_in_that_second(memory_store, autojump_clock):
    now = virtual_clock(NOON)
    due = now() + timedelta(days=365, seconds=0.5)
    woken = []
    job = replace(submission(workflow("only")), run_at=due)
    [job_id] = await memory_store.submit([job], now())
    mailbox = Mailbox(1)
    scheduler = Scheduler(memory_store, now, lambda: woken.append(now()), look=3600.0)
    with trio.move_on_after(366 * 86_400):
        await scheduler.run(mailbox)
    assert woken == [due]
    assert (await memory_store.job(job_id)).job.state is JobState.QUEUED


async def test_a_pause_ends_at_its_time_and_jobs_set_aside_are_queued(memory_store, autojump_clock):
    now = virtual_clock(NOON)
    until = now() + timedelta(seconds=90)
    pauses = [Pause(kind, "job", now(), "root", until) for kind in PauseKind]
    instance = await memory_store.join("one", now())
    for pause in pauses:
        await memory_store.put_pause(pause)
    ids = await memory_store.submit([submission(workflow("only")) for _ in range(3)], now())
    await memory_store.admit(instance, now())
    states = {(await memory_store.job(one)).job.state for one in ids}
    assert states == {JobState.PAUSED}
    woken, resumed = [], []
    scheduler = Scheduler(
        memory_store, now, lambda: woken.append(now()), lambda: resumed.append(now()), look=3600.0
    )
    with trio.move_on_after(600):
        await scheduler.run(Mailbox(1))
    assert (woken, resumed) == ([until], [until])
    assert {(await memory_store.job(one)).job.state for one in ids} == {JobState.QUEUED}
    assert await memory_store.pauses() == []


class LosesDefinitions(MemoryStore):
    """A store whose definitions another version has written."""

    async def definition(self, digest):
        return {"unknown": await super().definition(digest)}


async def test_a_definition_that_cannot_be_used_fails_its_job_and_nothing_else(autojump_clock):
    store = LosesDefinitions()
    async with instance(store, work=1) as engine:
        jobs = [await engine.submit(workflow("only")) for _ in range(10)]
        await trio.sleep(10)
        ends = [await engine.job(job_id) for job_id in jobs]
    assert all(end.job.failed for end in ends)
    assert "the job's definition cannot be used: KeyError" in ends[0].tasks[0].error


async def test_a_callback_that_cannot_be_rendered_goes_out_without_its_extras(
    memory_store, autojump_clock
):
    heard = []
    flow = workflow("only", callback={"message": "{{ 1 / 0 }}", "files": "{{ [1] }}"})
    async with instance(memory_store, http=receiver(heard)) as engine:
        job_id = await engine.submit(flow, urls=("http://a.test/",))
        await trio.sleep(10)
        lines = await engine.lines(job_id)
    body = json.loads(heard[-1][1].content)
    assert (body["status"], body["message"], body["files"]) == ("completed", "", [1])
    assert any(message.startswith("callback.message: ") for _, message in lines)
