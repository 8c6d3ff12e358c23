"""SQL by name: `sql/*.sql`, each statement under its `-- name:` line.

The SQL names what the model names: `{job}` and `{task}` are the columns of a job and of a task
(`{j.job}`: of the alias j), in the order of the model's fields: a new field is written once.
`{job.started}` and `{task.queued}` are the numbers of states, `{job.over}` those of jobs that go on
no more: literals, for a planner cannot match an argument with a partial index. `{new_job}` are the
columns of a job that is inserted, `{new_job.arrays}` the arguments with them, and `{job.changed}`
sets those that an update may change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files

from taskengine.jobs.changes import CHANGED
from taskengine.model import FINAL_STATES, Job, JobState, Task, TaskState

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MACRO = re.compile(r"\{(?:(\w)\.)?(job|task|new_job)(?:\.(\w+))?\}")
JOB = tuple(field.name for field in fields(Job))
TASK = tuple(field.name for field in fields(Task) if field.name != "result")  # a table of its own
# A job that is inserted: its id is given by the database.
NEW_JOB = (*JOB[1:], "request_id", "lanes", "idempotency_key", "idempotency_digest")
_COLUMNS = {"job": JOB, "task": TASK, "new_job": NEW_JOB}
_TYPES = {"bool": "boolean", "datetime": "timestamptz", "str": "text"}  # all else: numbers
_OWN_TYPES = {"request_id": "uuid", "idempotency_key": "text", "idempotency_digest": "text"}
_STATES: Mapping[str, Mapping[str, str]] = {
    "job": {state.label: str(int(state)) for state in JobState}
    | {"over": ", ".join(str(int(state)) for state in FINAL_STATES)},
    "task": {state.label: str(int(state)) for state in TaskState},
}


def _type_of(column: str) -> str:
    """Of a column of NEW_JOB, as arrays have it; a number becomes as wide as the column is."""
    types = {field.name: str(field.type).removesuffix(" | None") for field in fields(Job)}
    return _OWN_TYPES.get(column) or _TYPES.get(types.get(column, "int"), "bigint")


_FRAGMENTS = {
    ("new_job", "arrays"): ", ".join(
        f"${place}::{_type_of(column)}[]" for place, column in enumerate(NEW_JOB, 1)
    ),
    ("job", "changed"): ", ".join(f"{column} = ${n}" for n, column in enumerate(CHANGED, 2)),
}


def expanded(text: str) -> str:
    """SQL with its columns and states written out. Raises KeyError for an unknown state."""
    return _MACRO.sub(_written_out, text)


def _written_out(macro: re.Match[str]) -> str:
    alias, noun, state = macro.groups()
    if fragment := _FRAGMENTS.get((noun, state)):
        return fragment
    if state is not None:
        return _STATES[noun][state]
    prefix = f"{alias}." if alias else ""
    return ", ".join(prefix + column for column in _COLUMNS[noun])


@cache
def queries() -> dict[str, str]:
    """All statements of the store."""
    found: list[tuple[str, str]] = []
    for file in files("taskengine.store").joinpath("sql").iterdir():
        if file.name.endswith(".sql"):
            _, *parts = _NAME.split(expanded(file.read_text("utf-8")))
            found += zip(parts[::2], map(str.strip, parts[1::2]), strict=True)
    assert len(dict(found)) == len(found), "two statements have one name"
    return dict(found)


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and text of each migration, in order."""
    folder = files("taskengine.store").joinpath("sql/migrations")
    named = sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir())
    return [(int(name[:4]), name.removesuffix(".sql"), text) for name, text in named]
