"""Pausing, resuming, breaking and rerunning jobs while they run; gates. By virtual times."""

import httpx
import trio

from taskengine.messages import Topic
from taskengine.model import JobState, TaskState
from taskengine.testing.virtual import actions_with, instance, receiver, workflow

LONG = {"with": {"seconds": 100}}


async def change(engine, job_id, **changes):
    changed = await engine.store.change(job_id, changes, [], engine.now())
    engine.engine.mailboxes.announce(Topic.ADMISSION, Topic.SCHEDULE, Topic.WORK, Topic.STOP)
    return changed.job.state


async def state(engine, job_id):
    return (await engine.job(job_id)).job.state


async def test_a_broken_job_is_stopped_at_once_on_every_instance(memory_store, autojump_clock):
    stopped = []

    async def note(context):
        try:
            await trio.sleep(100)
        finally:
            stopped.append(trio.current_time())

    actions = actions_with(note=note)
    async with (
        instance(memory_store, actions=actions, work=0) as one,
        instance(memory_store, actions=actions),
    ):
        job_id = await one.submit(workflow(("only", "test.note"), "never"))
        await trio.sleep(7)
        await change(one, job_id, queue_state=JobState.BROKEN)
        await trio.sleep(5)
        tasks = (await one.job(job_id)).tasks
        assert await state(one, job_id) is JobState.BROKEN
    assert [task.state for task in tasks] == [TaskState.CANCELLED, TaskState.CANCELLED]
    assert 7 <= stopped[0] <= 12


async def test_a_paused_job_lets_its_task_end_and_goes_on_when_resumed(
    memory_store, autojump_clock
):
    ran = []

    async def note(context):
        await trio.sleep(10)
        ran.append((context.attempt.task.name, trio.current_time()))

    flow = workflow(("one", "test.note"), ("two", "test.note"))
    async with instance(memory_store, actions=actions_with(note=note)) as engine:
        job_id = await engine.submit(flow)
        await trio.sleep(5)
        assert await change(engine, job_id, queue_state=JobState.PAUSED) is JobState.PAUSED
        await trio.sleep(45)
        assert ran == [("one", 10)]
        await change(engine, job_id, queue_state=JobState.QUEUED)
        await trio.sleep(20)
        assert await state(engine, job_id) is JobState.COMPLETED
    assert [(name, round(time, 3)) for name, time in ran] == [("one", 10), ("two", 60)]


async def test_a_paused_job_frees_its_slot(memory_store, autojump_clock):
    flow = workflow(("long", "core.sleep", LONG), "never")
    async with instance(memory_store, work=4) as engine:
        await memory_store.put_setting("", "max_jobs", "1")
        first, second = [await engine.submit(flow) for _ in range(2)]
        await trio.sleep(1)
        assert await state(engine, second) is JobState.QUEUED
        await change(engine, first, queue_state=JobState.PAUSED)
        await trio.sleep(1)
        assert await state(engine, second) is JobState.STARTED


async def test_a_rerun_waits_until_the_original_has_stopped(memory_store, autojump_clock):
    running = []

    async def slow_to_stop(context):
        running.append((context.attempt.job.id, "starts", round(trio.current_time(), 1)))
        try:
            await trio.sleep(100)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(4)
            running.append((context.attempt.job.id, "stops", round(trio.current_time(), 1)))

    actions = actions_with(slow=slow_to_stop)
    async with instance(memory_store, actions=actions, drain=0) as engine:
        original = await engine.submit(workflow(("only", "test.slow")))
        await trio.sleep(6)
        new = await memory_store.rerun(original, [], engine.now())
        assert await memory_store.rerun(original, [], engine.now()) == new
        engine.engine.mailboxes.announce(Topic.ADMISSION, Topic.STOP)
        await trio.sleep(10)
        assert await state(engine, original) is JobState.BROKEN
        assert await state(engine, new) is JobState.STARTED
    stops = [time for job_id, what, time in running if (job_id, what) == (original, "stops")]
    starts = [time for job_id, what, time in running if (job_id, what) == (new, "starts")]
    assert stops[0] <= starts[0] <= stops[0] + 0.1


async def test_a_job_waits_for_those_that_it_depends_on(memory_store, autojump_clock):
    flow = workflow(("short", "core.sleep", {"with": {"seconds": 10}}))
    async with instance(memory_store) as engine:
        first = await engine.submit(flow)
        second = await engine.submit(flow, depends_on=[first])
        await trio.sleep(9)
        assert await state(engine, second) is JobState.PENDING
        await trio.sleep(2)
        assert await state(engine, second) is JobState.STARTED
        await trio.sleep(10)
        assert await state(engine, second) is JobState.COMPLETED


async def test_jobs_that_depend_on_a_failed_one_break_and_say_so(memory_store, autojump_clock):
    heard = []
    bad = workflow(("bad", "core.fail", {"retry": {"limit": 0}}))
    async with instance(memory_store, http=receiver(heard)) as engine:
        first = await engine.submit(bad)
        second = await engine.submit(workflow("only"), depends_on=[first])
        third = await engine.submit(workflow("only"), depends_on=[second], urls=("http://a.test/",))
        await trio.sleep(10)
        assert [await state(engine, job) for job in (second, third)] == [JobState.BROKEN] * 2
    [(_, request)] = heard
    assert b'"status":"failed"' in request.content
    assert f"job {second}".encode() in request.content


async def test_a_gate_that_opens_after_three_checks(memory_store, autojump_clock):
    asked = []

    def answer(request):
        asked.append(trio.current_time())
        return httpx.Response(302 if len(asked) > 3 else 503)

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with instance(memory_store, http=http) as engine:
        await memory_store.put_setting("", "schedule_interval", "60")
        job_id = await engine.submit(workflow("only"), semaphore_url="http://gate.test/")
        await trio.sleep(1000)
        details = await engine.job(job_id)
        lines = await engine.lines(job_id)
    assert details.job.state is JobState.COMPLETED
    assert [round(time) for time in asked] == [0, 60, 180, 420]
    told = [message for progname, message in lines if progname == "scheduler"]
    assert told == ["The gate is closed: HTTP 503", "The gate is open: HTTP 302"]


async def test_gates_of_a_host_that_hangs_hold_up_no_others(memory_store, autojump_clock):
    asked = []

    async def answer(request):
        asked.append((trio.current_time(), request.url.host))
        if request.url.host == "slow.test":
            await trio.sleep(3600)
        return httpx.Response(200)

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with instance(memory_store, http=http) as engine:
        for _ in range(5):
            await engine.submit(workflow("only"), semaphore_url="http://slow.test/")
        quick = await engine.submit(workflow("only"), semaphore_url="http://quick.test/")
        await trio.sleep(9)
        assert await state(engine, quick) is JobState.COMPLETED
        await trio.sleep(30)
    times = sorted(round(time) for time, host in asked if host == "slow.test")
    assert times == [0, 10, 10, 20, 20]


async def test_a_gate_is_asked_when_its_job_is_due(memory_store, autojump_clock):
    from datetime import timedelta

    asked = []
    async with instance(memory_store, http=receiver(asked)) as engine:
        due = engine.now() + timedelta(seconds=500)
        more = {"semaphore_url": "http://gate.test/", "run_at": due}
        job_id = await engine.submit(workflow("only"), **more)
        await trio.sleep(501)
        assert await state(engine, job_id) is JobState.COMPLETED
    assert [round(time) for time, _ in asked] == [500]
