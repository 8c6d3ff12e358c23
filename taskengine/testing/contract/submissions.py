"""Promises of submission."""

import json
from dataclasses import replace

import pytest

from taskengine.model import BadInput, JobState, JsonText, Severity
from taskengine.store import JobFilter
from taskengine.testing.contract.world import LINE, ONE, SINGLE, TWO, at, definition, submission
from taskengine.testing.times import NOON
from taskengine.times import parse_time

REFUSED = submission(None, lines=[LINE, (Severity.ERROR, "api", "no such workflow")])
HOSTILE = {
    "a NUL": {"content_id": "c\0d"},
    "a NUL in a line": {"lines": [(Severity.INFO, "api", "\0")]},
    "a lone surrogate": {"content_id": "\ud800"},
    "a lone surrogate in JSON": {"submitted": {"name": "\ud800"}},
    "no number": {"parameters": {"size": float("nan")}},
    "a priority out of range": {"priority": 40_000},
    "a position out of range": {"position": 2**40},
}


class Submissions:
    async def test_ids_come_in_the_order_of_the_batch(self, world):
        first = await world.submit(*(submission(content_id=f"c{n}") for n in range(5)))
        second = await world.submit(submission())
        assert first + second == sorted({*first, *second})
        assert [(await world.job(one)).job.content_id for one in first] == [
            f"c{n}" for n in range(5)
        ]

    async def test_a_submission_repeated_after_a_lost_answer_keeps_its_id(self, world):
        one, other = submission(lines=[LINE], urls=[ONE]), submission()
        [first] = await world.submit(one)
        [second, *same] = await world.submit(other, one, one)
        assert second > first
        assert same == [first, first]
        assert await world.lines(first) == [("api", 0, "received")]
        assert sum((await world.store.totals()).jobs.values()) == 2

    async def test_a_submission_given_twice_in_a_batch_makes_one_job(self, world):
        one = submission()
        [first, second] = await world.submit(one, one)
        assert first == second
        assert len(await world.store.jobs(JobFilter())) == 1

    async def test_what_was_given_is_kept_as_it_is(self, world):
        given = {"z": 1, "a": {"ü": [None, True, 1.5]}}
        one = submission(submitted=given, parameters={"b": given}, client_scope={"name": "acme"})
        [job_id] = await world.submit(one)
        details = await world.job(job_id)
        assert (details.submitted, details.parameters) == (given, {"b": given})
        assert list(details.submitted) == ["z", "a"]
        assert details.client_scope == {"name": "acme"}
        assert details.tasks == []

    async def test_documents_may_come_as_texts_and_be_had_as_texts(self, world):
        submitted, parameters = {"b": 1, "a": ["é"]}, {"b": 1, "a": ["é"], "c": None}
        texts = {
            "submitted": JsonText(json.dumps(submitted)),
            "parameters": JsonText(json.dumps(parameters)),
        }
        for given in (texts, {"submitted": submitted, "parameters": parameters}):
            [job_id] = await world.submit(submission(**given))
            details = await world.job(job_id)
            assert (details.submitted, details.parameters) == (submitted, parameters)
            for name, expected in (("submitted", submitted), ("parameters", parameters)):
                text = await world.store.document(job_id, name)
                assert list(json.loads(text).items()) == list(expected.items())
        assert await world.store.document(99, "submitted") is None

    async def test_the_outline_of_a_job_is_all_but_its_documents_and_tasks(self, world):
        parent = await world.start()
        await world.perform(parent)
        child = await world.start(submitted={"a": 1}, parameters={"a": 1}, depends_on=[parent])
        for job_id in (parent, child):
            details = await world.job(job_id)
            bare = replace(details, submitted={}, parameters={}, client_scope={}, tasks=[])
            assert await world.store.outline(job_id) == bare
            tasks = [replace(task, result=None) for task in details.tasks]
            found = [one async for page in world.store.tasks(job_id) for one in page]
            assert found == tasks
        assert await world.store.outline(99) is None
        assert [page async for page in world.store.tasks(99)] == []

    async def test_a_refused_job_is_recorded_as_broken_and_failed_with_its_lines(self, world):
        [job_id] = await world.submit(REFUSED)
        job = (await world.job(job_id)).job
        assert (job.state, job.failed, job.digest) == (JobState.BROKEN, True, None)
        assert [line[2] for line in await world.lines(job_id)] == ["received", "no such workflow"]
        assert await world.admit() == 0

    async def test_a_refused_job_shows_only_where_its_state_or_id_is_asked_for(self, world):
        refused, accepted = await world.submit(REFUSED, submission())
        listed = {
            "default": JobFilter(),
            "state": JobFilter(states=[JobState.BROKEN]),
            "id": JobFilter(job_ids=[refused]),
            "failed": JobFilter(failed=True),
        }
        shown = {
            key: [job.id for job in await world.store.jobs(one)] for key, one in listed.items()
        }
        assert shown == {"default": [accepted], "state": [refused], "id": [refused], "failed": []}

    @pytest.mark.parametrize(
        ("fields", "state"),
        [
            ({}, JobState.QUEUED),
            ({"run_at": NOON}, JobState.QUEUED),
            ({"run_at": at(0.001)}, JobState.SCHEDULED),
            ({"run_at": parse_time("0001-01-01T00:00:00")}, JobState.QUEUED),
            ({"run_at": parse_time("9999-12-31T23:59:59.9999999")}, JobState.SCHEDULED),
            ({"semaphore_url": "http://gate.test"}, JobState.SCHEDULED),
        ],
    )
    async def test_a_job_waits_for_its_time_and_its_gate(self, world, fields, state):
        [job_id] = await world.submit(submission(**fields))
        job = (await world.job(job_id)).job
        assert job.state is state
        assert job.run_at == fields.get("run_at", NOON)

    async def test_a_definition_is_stored_once_and_kept_with_its_jobs(self, world):
        same = definition([])
        first, second = await world.submit(submission(SINGLE), submission(same))
        digests = {(await world.job(one)).job.digest for one in (first, second)}
        assert digests == {SINGLE.digest}
        assert await world.store.definition(SINGLE.digest) == SINGLE.content
        assert await world.store.definition("unknown") is None

    async def test_a_url_given_twice_is_called_once(self, world):
        job_id = await world.start(urls=[ONE, TWO, ONE])
        await world.perform(job_id)
        events = ["start", "complete", "end"]
        assert await world.events() == {ONE: events, TWO: events}

    @pytest.mark.parametrize("fields", HOSTILE.values(), ids=HOSTILE)
    async def test_data_that_a_database_refuses_are_bad_input_and_nothing_is_written(
        self, world, fields
    ):
        good = submission()
        with pytest.raises(BadInput):
            await world.submit(good, replace(submission(), **fields))
        assert await world.store.jobs(JobFilter()) == []
        assert (await world.store.totals()).jobs == {}
        await world.submit(good)
        assert len(await world.store.jobs(JobFilter())) == 1

    async def test_an_unknown_job_is_none(self, world):
        assert await world.store.job(404) is None
