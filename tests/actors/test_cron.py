"""Recurring work by virtual times: jobs at their minute, each tick once, whatever happens."""

import json
import uuid
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import ClassVar

import trio

from taskengine.actors.cron import Cron
from taskengine.actors.intake import Intake
from taskengine.actors.retention import Retention
from taskengine.actors.sweeper import Sweeper
from taskengine.jobs.submission import Reader
from taskengine.messages import Submit, Topic, Wake
from taskengine.model import BadInput, Client, JobState, StoreUnavailable
from taskengine.policy import SYSTEM
from taskengine.runtime.clock import virtual_clock
from taskengine.runtime.mailbox import Mailbox
from taskengine.schedules import QUEUE_SCHEDULED_JOBS, SUBMIT_JOB, Schedule
from taskengine.store import JobFilter
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import instance, submission, workflow
from taskengine.workflows.library import Library
from tests.conftest import NOON

FLOW = workflow("only", name="nightly")
HOUR, DAY = 3_600, 86_400
BODY = {"job": {"workflow": "nightly"}, "parameters": {"content_id": "film"}}
ALL = JobFilter(limit=1000, ascending=True, states=list(JobState))


async def recurring(store, name="films", every=None, body=BODY, **fields):
    await store.put_client(Client("acme", "hash"))
    schedule = Schedule(name, SUBMIT_JOB, "", every, every or 0, client="acme", body=body, **fields)
    await store.put_schedule(schedule.starting(NOON))


async def made(store):
    """When jobs were made, in seconds."""
    return [round((job.created_at - NOON).total_seconds(), 3) for job in await store.jobs(ALL)]


@asynccontextmanager
async def ticking(store):
    """Cron and what it wakes, without the rest of an instance, whose beats fill long times."""
    now = virtual_clock(NOON)
    reader = partial(Reader, Library({(None, "nightly"): FLOW}), "local")
    with ExitStack() as stack:
        submissions = stack.enter_context(Mailbox[Submit](9))
        topics = (Topic.SCHEDULES, Topic.RETENTION, Topic.RESCUE)
        boxes = {topic: stack.enter_context(Mailbox[Wake](1)) for topic in topics}

        def wake(topic):
            if topic in boxes:
                boxes[topic].address.hint(Wake())

        cron = Cron(store, submissions.address, reader, now, wake)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Intake(store, now, lambda: None).run, submissions)
            nursery.start_soon(cron.run, boxes[Topic.SCHEDULES])
            nursery.start_soon(Retention(store, now).run, boxes[Topic.RETENTION])
            nursery.start_soon(Sweeper(store, now, print).run, boxes[Topic.RESCUE])
            yield
            nursery.cancel_scope.cancel()


async def test_a_daily_job_is_made_at_its_minute_every_day(memory_store, autojump_clock):
    await recurring(memory_store, cron="30 4 * * *")
    async with ticking(memory_store):
        await trio.sleep(2 * DAY)
    first = 16.5 * HOUR
    assert await made(memory_store) == [first, first + DAY]


async def test_the_job_of_a_schedule_is_run_as_its_clients(memory_store, autojump_clock):
    await recurring(memory_store, every=60)
    async with instance(memory_store, flows=[FLOW]):
        await trio.sleep(61)
    [job] = await memory_store.jobs(ALL)
    assert (job.state, job.client, job.content_id) == (JobState.COMPLETED, "acme", "film")


async def test_the_log_of_a_job_says_which_schedule_made_it(memory_store, autojump_clock):
    await recurring(memory_store, every=60)
    async with instance(memory_store, flows=[FLOW]) as engine:
        await trio.sleep(61)
        (progname, message), *_ = await engine.lines(1)
    assert progname == "api"
    assert json.loads(message) == {
        "path": "SCHEDULE films",
        "remote_addr": "",
        "headers": {},
        "parameters": BODY,
        "payload": "job_created",
    }


async def test_two_instances_run_each_tick_once(memory_store, autojump_clock):
    await recurring(memory_store, every=10)
    async with instance(memory_store, flows=[FLOW]), instance(memory_store, flows=[FLOW]):
        await trio.sleep(105)
    assert await made(memory_store) == [10.0 * number for number in range(1, 11)]


class Outage(MemoryStore):
    """A store that takes no submission while `away` is set."""

    away = False

    async def submit(self, batch, now):
        if self.away:
            raise StoreUnavailable("away")
        return await super().submit(batch, now)


async def test_an_outage_is_waited_out_and_no_tick_is_lost(autojump_clock):
    store = Outage()
    await recurring(store, every=1000)
    async with instance(store, flows=[FLOW]):
        store.away = True
        await trio.sleep(1010)
        assert await made(store) == []
        store.away = False
        await trio.sleep(1500)
    assert await made(store) == [1060, 2000]


class Patient(MemoryStore):
    """What a store for actors does in an outage that ends after an hour."""

    async def claim_ticks(self, now, lease):
        while 100 < trio.current_time() < HOUR:
            await trio.sleep(2)
        return await super().claim_ticks(NOON + timedelta(seconds=trio.current_time()), lease)


async def test_ticks_that_were_missed_run_once(autojump_clock):
    store = Patient()
    await recurring(store, every=60)
    async with ticking(store):
        await trio.sleep(HOUR + 125)
    first, late, *rest = await made(store)
    assert (first, rest) == (60, [HOUR + 60, HOUR + 120])
    assert HOUR <= late <= HOUR + 2


async def test_a_tick_whose_instance_died_is_run_by_another_once(memory_store, autojump_clock):
    await recurring(memory_store, every=1000)
    await memory_store.claim_ticks(NOON + timedelta(seconds=1000), timedelta(seconds=60))
    async with instance(memory_store, flows=[FLOW]):
        await trio.sleep(1065)
        assert await made(memory_store) == [1060]


async def test_a_tick_that_is_run_twice_makes_one_job(memory_store, autojump_clock):
    """Its end was not written: the answer of the submission was lost."""

    class Forgetful(MemoryStore):
        async def end_tick(self, tick):
            await trio.lowlevel.checkpoint()

    store = Forgetful()
    await recurring(store, every=1000)
    async with instance(store, flows=[FLOW]):
        await trio.sleep(1500)
    assert await made(store) == [1000]


async def test_a_schedule_is_switched_off_and_on(memory_store, autojump_clock):
    await recurring(memory_store, every=60)
    async with instance(memory_store, flows=[FLOW]) as engine:
        for seconds, active in ((90, False), (900, True)):
            await trio.sleep(seconds)
            await memory_store.activate("films", "acme", active, engine.now())
            engine.engine.mailboxes.announce_reschedule()
        await trio.sleep(70)
    assert await made(memory_store) == [60, 1050]


async def test_a_schedule_made_while_the_engine_runs_is_heard_of_at_once(
    memory_store, autojump_clock
):
    async with instance(memory_store, flows=[FLOW]), instance(memory_store) as other:
        await trio.sleep(1)
        await recurring(memory_store, every=2)
        other.engine.mailboxes.announce_reschedule()
        await trio.sleep(1.5)
        assert await made(memory_store) == [2]


async def test_due_jobs_wait_while_their_schedule_is_off(memory_store, autojump_clock):
    """A5."""
    async with instance(memory_store) as engine:
        run_at = NOON + timedelta(seconds=100)
        job_id = await engine.submit(FLOW, run_at=run_at)
        await memory_store.activate(QUEUE_SCHEDULED_JOBS, None, False, NOON)
        await trio.sleep(500)
        assert (await engine.job(job_id)).job.state is JobState.SCHEDULED
        await memory_store.activate(QUEUE_SCHEDULED_JOBS, None, True, engine.now())
        engine.engine.mailboxes.announce_reschedule()
        await trio.sleep(0.1)
        assert (await engine.job(job_id)).job.state is JobState.COMPLETED


async def test_what_a_schedule_is_refused_is_recorded(memory_store, autojump_clock):
    """The workflow is gone: as with any refusal there is a broken job that says why."""
    await recurring(memory_store, every=60)
    async with instance(memory_store) as engine:
        await trio.sleep(61)
        job = (await engine.job(1)).job
        assert (job.state, job.failed) == (JobState.BROKEN, True)
        progname, told = (await engine.lines(1))[-1]
        assert progname == "api"
        assert told.startswith('job.workflow: there is no workflow "nightly"; there are')


async def test_data_that_no_database_takes_is_recorded_without_them(autojump_clock):
    class Picky(MemoryStore):
        async def submit(self, batch, now):
            if any(one.submitted for one in batch):
                raise BadInput("the database refuses the data: so it is")
            return await super().submit(batch, now)

    store = Picky()
    await recurring(store, every=60)
    async with instance(store, flows=[FLOW]):
        await trio.sleep(90)
    [job] = await store.jobs(ALL)
    assert job.state is JobState.BROKEN


async def test_a_tick_that_fails_disturbs_no_other(memory_store, autojump_clock, caplog):
    await recurring(memory_store, "bad", 60, body={"job": 7, "parameters": BODY})
    await recurring(memory_store, "worse", 60)
    await recurring(memory_store, "nobody's", 60)
    await recurring(memory_store, "good", 60)
    rows = memory_store.tables.schedules
    row = rows["gone", "nobody's"] = rows.pop(("acme", "nobody's"))
    row.schedule = replace(row.schedule, client="gone")
    row = rows["acme", "worse"]
    row.schedule = replace(row.schedule, body=replace)  # nothing that can be read
    async with instance(memory_store, flows=[FLOW]):
        await trio.sleep(130)
    states = [job.state for job in await memory_store.jobs(ALL)]
    assert states.count(JobState.COMPLETED) == 2
    assert "schedule worse failed" in caplog.text
    assert caplog.text.count("schedule nobody's: there is no client gone") == 1
    assert "nobody's" not in [one.name for one in await memory_store.schedules()]


async def test_old_jobs_are_removed_after_the_days_that_are_set(memory_store, autojump_clock):
    await memory_store.put_setting(SYSTEM, "retention_days", "1")
    await memory_store.submit([refused() for _ in range(450)], NOON)
    [kept] = await memory_store.submit([replace(refused(), persist=True)], NOON)
    async with ticking(memory_store):
        await trio.sleep(DAY)
        assert len(await made(memory_store)) == 451
        await trio.sleep(HOUR)
        assert [job.id for job in await memory_store.jobs(ALL)] == [kept]


def refused():
    return replace(submission(FLOW), definition=None, request_id=uuid.uuid4())


async def test_the_clean_up_takes_small_batches_with_pauses(memory_store, autojump_clock):
    class Watched(MemoryStore):
        batches: ClassVar[list] = []

        async def clear_old_jobs(self, before, limit, after=None):
            cleared = await super().clear_old_jobs(before, limit, after)
            self.batches.append((round(trio.current_time(), 3), before, cleared.number))
            return cleared

    store = Watched()
    await store.submit([refused() for _ in range(450)], NOON - timedelta(days=31))
    async with ticking(store):
        await trio.sleep(61)
    before = NOON + timedelta(seconds=60) - timedelta(days=30)
    assert store.batches == [
        (60, before, 200),
        (60.1, before, 200),
        (60.2, before, 50),
    ]


class Forgetful(MemoryStore):
    """Its edges fill several pages."""

    def __init__(self):
        super().__init__()
        self.swept = []

    async def sweep_edges(self, after, now):
        self.swept.append((after, round((now - NOON).total_seconds())))
        return 1, after + 100 if after < 200 else None


async def test_what_waits_is_swept_a_part_at_each_minute(autojump_clock):
    store = Forgetful()
    async with ticking(store):
        await trio.sleep(4 * 60)
    assert store.swept == [(0, 5), (100, 65), (200, 125), (0, 185)]
