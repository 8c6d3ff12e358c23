"""Statements name what the model names, and take rows in the order of their fields."""

import re
from dataclasses import fields

import pytest

from taskengine.model import Job, JobState, TaskState
from taskengine.store.postgres.queries import expanded, queries
from taskengine.store.postgres.record import EndedTask, RequeuedTask
from taskengine.store.postgres.rows import Line


@pytest.mark.parametrize(
    ("name", "row"),
    [("put_lines", Line), ("requeue_tasks", RequeuedTask), ("end_tasks", EndedTask)],
)
def test_a_statement_takes_the_fields_of_its_rows_in_their_order(name, row):
    [names] = re.findall(r" as \w+ \(([^)]*)\)", queries()[name])
    assert tuple(names.removesuffix(", n").split(", ")) == row._fields  # `n` keeps their order


def test_columns_of_a_job_are_the_fields_of_the_model():
    names = [field.name for field in fields(Job)]
    assert expanded("select {job} from jobs") == f"select {', '.join(names)} from jobs"
    assert expanded("{j.job}").split(", ") == [f"j.{name}" for name in names]


def test_states_are_written_as_the_numbers_that_indexes_know():
    assert expanded("{job.started} {task.queued}") == f"{JobState.STARTED:d} {TaskState.QUEUED:d}"
    assert expanded("state in ({job.over})") == "state in (2, 4)"


def test_an_unknown_state_is_an_error():
    with pytest.raises(KeyError, match="begun"):
        expanded("{job.begun}")


def test_an_empty_array_or_object_is_no_name():
    assert expanded("'{}'") == "'{}'"
