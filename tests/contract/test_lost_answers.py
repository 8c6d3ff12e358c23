"""Transactions that committed and whose answers were lost are repeated, and done once."""

import uuid

import pytest

from taskengine.model import (
    Began,
    Client,
    Ended,
    Fence,
    JobState,
    Outcome,
    PlannedTask,
    Severity,
    StoreUnavailable,
    Submission,
    Written,
)
from taskengine.workflows.workflow import Workflow
from tests.conftest import NOON

FLOW = Workflow.from_content(
    {"workflow": "only", "tasks": [{"name": "only", "action": "core.noop"}]}
)


@pytest.fixture
def store(postgres_store, monkeypatch):
    """A patient store that hears no answer to its first question of each kind."""
    answered = postgres_store.pool.run
    questions = []

    async def lose_the_first(transaction, **more):
        answer = await answered(transaction, **more)
        questions.append(transaction)
        if len(questions) % 2:
            raise StoreUnavailable("the answer was lost")
        return answer

    patient = postgres_store.patient
    monkeypatch.setattr(patient.pool, "run", lose_the_first)
    return patient


async def lines_of(store, job_id):
    return [line.message async for page in store.log(job_id) for line in page]


async def test_everything_is_done_once(store):
    assert FLOW.definition.plan == (PlannedTask("only", "core.noop", "work"),)
    await store.put_client(Client("acme", "hash"))
    instance = await store.join("me", NOON)
    lines = [(Severity.INFO, "api", "hello")]
    one = Submission("acme", "only", {}, lines, FLOW.definition, urls=("http://a.test/",))
    [job_id] = await store.submit([one], NOON)
    await store.admit(instance, NOON)
    claimed = await store.claim(instance, "work", ["core.noop"], 5, uuid.uuid4(), NOON)
    [attempt] = claimed.attempts
    assert attempt.task.attempt == 1
    fence = attempt.fence
    await store.record(instance, [Written(fence, NOON, "a line"), Began(fence, NOON)], NOON)
    assert await lines_of(store, job_id) == ["hello", "a line"]
    end = Ended(fence, NOON, Outcome.COMPLETED, '{"x":1}')
    stranger = Fence(job_id, fence.task_id, 7)
    told = [Written(fence, NOON, "another"), end, Written(stranger, NOON, "stale")]
    recorded = await store.record(instance, told, NOON)
    assert recorded.ended_jobs == (job_id,)  # or nobody is admitted in its place
    assert recorded.stale == {stranger}
    assert (await store.job(job_id)).job.state is JobState.COMPLETED
    told = ["hello", "a line", "another", "job has completed successfully"]
    assert await lines_of(store, job_id) == told
    totals = await store.totals()
    assert (totals.jobs, totals.tasks_processed) == ({(JobState.COMPLETED, False): 1}, 1)
