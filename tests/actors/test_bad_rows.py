"""What a database refuses fails nobody but who sent it (rule 17), by virtual times."""

import json

import httpx
import pytest
import trio
import trio.testing

from taskengine.actors.intake import MAX_BATCH, Intake
from taskengine.actors.recorder import UNSTORABLE
from taskengine.messages import Submit
from taskengine.model import BadInput, Ended, JobState, Severity, Written
from taskengine.runtime.clock import virtual_clock
from taskengine.runtime.mailbox import Mailbox
from taskengine.store.completion import TERSE
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import actions_with, instance, receiver, submission, workflow
from tests.conftest import NOON

BAD = "bad"
FLOW = workflow("only")


class Picky(MemoryStore):
    """It refuses every batch with something bad in it, as PostgreSQL does; notes their sizes."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    async def submit(self, batch, now):
        self.sizes.append(len(batch))
        self.refuse(one.content_id for one in batch)
        return await super().submit(batch, now)

    async def record(self, instance, records, now, **options):
        self.sizes.append(len(records))
        self.refuse(one.message for one in records if isinstance(one, Written))
        ends = [one for one in records if isinstance(one, Ended)]
        self.refuse(one.result for one in ends)
        self.refuse(one.error for one in ends)
        return await super().record(instance, records, now, **options)

    def refuse(self, texts):
        if any(text and BAD in text for text in texts):
            raise BadInput("the database refuses the data")


async def submit_at_once(store, *submissions):
    """They wait for the intake in one mailbox; what each is answered."""
    answers = {}

    async def ask(place, one):
        answers[place] = await mailbox.address.ask(Submit(one))

    with Mailbox(len(submissions)) as mailbox:
        async with trio.open_nursery() as clients:
            for place, one in enumerate(submissions):
                clients.start_soon(ask, place, one)
            await trio.testing.wait_all_tasks_blocked()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Intake(store, virtual_clock(NOON), lambda: None).run, mailbox)
                await trio.sleep(1)
                mailbox.address.close()
    return [answers[place] for place in range(len(submissions))]


@pytest.mark.parametrize("guilty", [{0}, {3}, {6}, {1, 5}, set(range(7))])
async def test_of_a_batch_of_submissions_only_the_guilty_fail(autojump_clock, guilty):
    contents = [BAD if place in guilty else "good" for place in range(7)]
    store = Picky()
    told = await submit_at_once(store, *[submission(FLOW, content_id=one) for one in contents])
    assert store.sizes[0] == 7
    assert {place for place, one in enumerate(told) if isinstance(one, BadInput)} == guilty
    ids = [one for one in told if isinstance(one, int)]
    assert sorted(ids) == sorted(set(ids)) == sorted(store.tables.jobs)


async def test_an_insert_takes_500_submissions(autojump_clock):
    store = Picky()
    told = await submit_at_once(store, *[submission(FLOW) for _ in range(600)])
    assert len(set(told)) == 600
    assert max(store.sizes) == MAX_BATCH == 500


async def spoiling(context, *, line: str, file: str, error: str):
    await trio.sleep(5)
    await context.write(Severity.INFO, line)
    if error:
        raise BadInput(error)
    return {"file": file}


@pytest.mark.parametrize("spoilt", ["line", "file", "error"])
async def test_of_a_batch_of_records_only_the_guilty_fail(autojump_clock, spoilt):
    store = Picky()
    async with instance(store, actions=actions_with(spoil=spoiling), work=6) as engine:
        await store.put_setting("", "max_jobs", "10")
        jobs = []
        for place in range(6):
            given = {"line": "x", "file": "y", "error": ""} | ({spoilt: BAD} if place == 2 else {})
            flow = workflow(("only", "test.spoil", {"with": given}))
            jobs.append(await engine.submit(flow))
        await trio.sleep(20)
        details = [await engine.job(one) for one in jobs]
        lines = [await engine.lines(one) for one in jobs]
    assert max(store.sizes) > 2
    assert all(one.job.state is JobState.COMPLETED for one in details)
    failed = [place for place, one in enumerate(details) if one.job.failed]
    assert failed == ([] if spoilt == "line" else [2])
    assert [("worker", "x") in one for one in lines] == [
        place != 2 or spoilt != "line" for place in range(6)
    ]
    if failed:
        assert details[2].tasks[0].error == UNSTORABLE


async def test_what_a_delivery_met_can_be_stored(memory_store, autojump_clock):
    def fail(request):
        raise httpx.ConnectError("no \x00 and \ud800")

    http = httpx.AsyncClient(transport=httpx.MockTransport(fail))
    async with instance(memory_store, http=http) as engine:
        await engine.submit(FLOW, urls=("http://a.test/",))
        await trio.sleep(1)
        [entry, *_] = await memory_store.callbacks(1)
    assert entry.error == "ConnectError: no \ufffd and \ufffd"


class Speechless(MemoryStore):
    """Refuses what is added to callbacks, and results if asked to; notes the ends it is given."""

    def __init__(self, *, results):
        super().__init__()
        self.results, self.ends = results, []

    async def record(self, instance, records, now, **options):
        for one in records:
            if isinstance(one, Ended):
                self.ends.append((one.outcome.name, one.terse))
                if not one.terse or (self.results and one.result):
                    raise BadInput("the database refuses the data")
        return await super().record(instance, records, now, **options)


@pytest.mark.parametrize(
    ("results", "ends"),
    [
        (False, [("COMPLETED", False), ("COMPLETED", True)]),
        (
            True,
            [("COMPLETED", False), ("COMPLETED", True), ("FAILED", False), ("FAILED", True)],
        ),
    ],
)
async def test_an_end_is_written_without_what_is_refused(autojump_clock, results, ends):
    """Never dropped: its task would run again, and its job hold its slot for ever."""
    store = Speechless(results=results)
    actions = actions_with(gives=giving)
    async with instance(store, actions=actions) as engine:
        flow = workflow(("only", "test.gives"))
        job_id = await engine.submit(flow, urls=["http://a.test/"])
        await trio.sleep(30)
        details = await engine.job(job_id)
        lines = await engine.lines(job_id)
    assert list(dict.fromkeys(store.ends)) == ends
    assert details.tasks[0].attempt == 1
    assert (details.job.state, details.job.failed) == (JobState.COMPLETED, results)
    assert ("controller", TERSE) in lines


async def giving(context):
    return {"x": 1}


async def test_a_callback_that_computes_with_large_numbers_ends_its_job(
    memory_store, autojump_clock
):
    heard = []
    flow = workflow("only", callback={"product": "{{ (a | int) * (a | int) }}", "a": "{{ a }}"})
    async with instance(memory_store, http=receiver(heard)) as engine:
        given = {"a": "9" * 3_000}
        job_id = await engine.submit(flow, given, urls=["http://a.test/"])
        await trio.sleep(5)
        details = await engine.job(job_id)
        lines = await engine.lines(job_id)
    assert (details.job.state, details.tasks[0].attempt) == (JobState.COMPLETED, 1)
    body = json.loads(heard[-1][1].content)
    assert (body["a"], "product" in body) == ("9" * 3_000, False)
    [line] = [text for _, text in lines if text.startswith("callback.product")]
    assert "more than 2048 bits" in line
