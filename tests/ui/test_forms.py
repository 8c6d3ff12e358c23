"""Forms made of schemas, and what their fields mean; plans and times as pictures."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from taskengine.actions import find_actions
from taskengine.configuration import builtin_workflows
from taskengine.model import BadInput, Task, TaskState
from taskengine.ui.formats import relative, short_duration, size
from taskengine.ui.forms import fields_of, parameters_of
from taskengine.ui.plan import drawn
from taskengine.ui.timeline import timeline
from taskengine.workflows.library import load
from taskengine.workflows.workflow import Workflow

START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "mode": {"enum": ["fast", 2, None]},
        "on": {"type": "boolean", "default": True},
        "number": {"type": ["integer", "number"], "description": "How many."},
        "key": {"type": "string", "writeOnly": True},
        "names": {"type": "array", "items": {"type": "string"}},
        "anything": {},
        "name": {"$ref": "#/$defs/name"},
        "old": {"type": "string", "deprecated": True},
    },
    "$defs": {"name": {"type": "string", "examples": ["film-1"]}},
}


def test_each_kind_of_parameter_has_its_field():
    kinds = {one.name: one.kind for one in fields_of(SCHEMA)}
    assert kinds == {
        "name": "text",
        "mode": "choice",
        "on": "choice",
        "number": "number",
        "key": "secret",
        "names": "lines",
        "anything": "json",
    }


def test_required_fields_come_first_and_tell_an_example():
    first = fields_of(SCHEMA)[0]
    assert (first.name, first.required, first.placeholder) == ("name", True, "such as film-1")


def test_fields_say_what_they_mean():
    given = {
        "p.name": " 007 ",
        "p.mode": "2",
        "p.on": "false",
        "p.number": "2.5",
        "p.names": "a\r\n\r\n b \n",
        "p.anything": '{"x": [1]}',
        "p.key": "",
        "p.unknown": "x",
    }
    assert parameters_of(SCHEMA, given) == {
        "name": "007",
        "mode": 2,
        "on": False,
        "number": 2.5,
        "names": ["a", "b"],
        "anything": {"x": [1]},
    }


def test_a_field_of_json_says_what_is_wrong_with_it():
    with pytest.raises(BadInput, match="anything: expected JSON"):
        parameters_of(SCHEMA, {"p.anything": "{"})


def test_every_workflow_that_comes_along_has_a_form_and_a_plan():
    library = load([builtin_workflows()], find_actions())
    for workflow in library.all():
        assert len(fields_of(workflow.parameters)) > 0 or not workflow.parameters.get("properties")
        plan = drawn(workflow)
        assert [box.name for box in plan.boxes] == list(workflow.names)


def test_a_plan_has_each_task_behind_those_that_it_needs():
    tasks = [
        {"name": "a", "action": "x", "needs": []},
        {"name": "b", "action": "x", "needs": ["a"], "when": "{{ y }}"},
        {"name": "c", "action": "x", "needs": ["a"]},
        {"name": "d", "action": "x", "needs": ["b", "c"]},
    ]
    plan = drawn(Workflow.from_content({"workflow": "w", "tasks": tasks}))
    a, b, c, d = plan.boxes
    assert a.x < b.x == c.x < d.x
    assert b.y < c.y
    assert (a.conditional, b.conditional, c.conditional) == (False, True, False)
    assert len(plan.lines) == 4


def test_a_plan_of_very_many_tasks_is_no_picture():
    tasks = [{"name": f"t{number}", "action": "x"} for number in range(201)]
    assert drawn(Workflow.from_content({"workflow": "w", "tasks": tasks})) is None


def task(state, start=None, end=None):
    moments = [None if one is None else START + timedelta(seconds=one) for one in (start, end)]
    one = Task(1, 1, 0, "a", "x", "work", state)
    return replace(one, started_at=moments[0], ended_at=moments[1])


def test_bars_lie_where_their_tasks_were_at_work():
    tasks = [
        task(TaskState.COMPLETED, 0, 5),
        task(TaskState.WORKING, 5),
        task(TaskState.QUEUED),
        task(TaskState.FAILED, 10, 10),
    ]
    bars = timeline(tasks, START, START + timedelta(seconds=10))
    assert [(bar.start, bar.width, bar.lasted) for bar in bars] == [
        (0.0, 50.0, "5.0 s"),
        (50.0, 50.0, "5.0 s"),
        (0.0, 0.0, ""),
        (99.4, 0.6, "0 ms"),
    ]


def test_a_job_without_length_has_a_timeline():
    [bar] = timeline([task(TaskState.COMPLETED, 0, 0)], START, START)
    assert 0 <= bar.start <= 100


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0421, "42 ms"), (4.24, "4.2 s"), (59.6, "1 min"), (185, "3 min 5 s"), (7_800, "2 h 10 min"),
     (443_000, "5 d 3 h")],
)  # fmt: skip
def test_durations_are_told_shortly(seconds, told):
    assert short_duration(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(1, "now"), (40, "40 s ago"), (-7_300, "in 2 h"), (90_000, "1 d ago")]
)
def test_times_are_told_from_now(seconds, told):
    assert relative(START - timedelta(seconds=seconds), START) == told


def test_sizes_are_told_in_units():
    assert [size(one) for one in (0, 999, 1_500, 2_340_000, 7e12)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "2.3 MB",
        "7.0 TB",
    ]


DEEP = "[" * 65 + "]" * 65


@pytest.mark.parametrize("text", ["[" * 60_000, DEEP, '{"a":' * 60_000])
def test_a_field_that_is_nested_too_deep_is_told(text):
    with pytest.raises(BadInput, match="anything: expected JSON: "):
        parameters_of(SCHEMA, {"p.anything": text})
    assert parameters_of(SCHEMA, {"p.number": text}) == {"number": text}


def test_a_field_has_as_many_levels_as_a_submission():
    assert parameters_of(SCHEMA, {"p.anything": DEEP[1:-1]}) == {"anything": json.loads(DEEP[1:-1])}
