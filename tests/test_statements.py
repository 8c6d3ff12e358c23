"""Statements name what the model names, and take rows in the order of their fields."""

import re
from dataclasses import fields

import pytest

from taskengine.jobs.new_job import new_job
from taskengine.model import Job, JobState, Submission, TaskState
from taskengine.store.postgres.queries import NEW_JOB, expanded, queries
from taskengine.store.postgres.record import EndedTask, RequeuedTask
from taskengine.store.postgres.rows import Line, job_row
from taskengine.testing.times import NOON
from taskengine.workflows.plan import NextStep


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("put_lines", Line),
        ("requeue_tasks", RequeuedTask),
        ("end_tasks", EndedTask),
        ("advance_tasks", NextStep),
    ],
)
def test_a_statement_takes_the_fields_of_its_rows_in_their_order(name, row):
    [names] = re.findall(r" as \w+ \(([^)]*)\)", queries()[name])
    assert tuple(names.removesuffix(", n").split(", ")) == row._fields  # `n` keeps their order


def test_columns_of_a_job_are_the_fields_of_the_model():
    names = [field.name for field in fields(Job)]
    assert expanded("select {job} from jobs") == f"select {', '.join(names)} from jobs"
    assert expanded("{j.job}").split(", ") == [f"j.{name}" for name in names]


def test_a_new_job_is_a_value_for_each_of_its_columns():
    submission = Submission("acme", "demo", {}, [], idempotency_key="key", body_digest="digest")
    row = job_row(new_job(submission, NOON), submission.request_id, 2, "key", "digest")
    values = dict(zip(NEW_JOB, row, strict=True))
    assert (values["client"], values["run_at"], values["lanes"]) == ("acme", NOON, 2)
    assert (values["idempotency_key"], values["idempotency_digest"]) == ("key", "digest")
    arrays = expanded("{new_job.arrays}").split(", ")
    assert arrays[NEW_JOB.index("run_at")].endswith("::timestamptz[]")
    assert arrays[NEW_JOB.index("request_id")].endswith("::uuid[]")
    assert arrays[NEW_JOB.index("priority")].endswith("::bigint[]")


def test_an_update_sets_what_it_may_change():
    assert expanded("{job.changed}").startswith("state = $2, gate_open = $3, updated_at = $4")


def test_states_are_written_as_the_numbers_that_indexes_know():
    assert expanded("{job.started} {task.queued}") == f"{JobState.STARTED:d} {TaskState.QUEUED:d}"
    assert expanded("state in ({job.over})") == "state in (2, 4)"


def test_an_unknown_state_is_an_error():
    with pytest.raises(KeyError, match="begun"):
        expanded("{job.begun}")


def test_an_empty_array_or_object_is_no_name():
    assert expanded("'{}'") == "'{}'"
