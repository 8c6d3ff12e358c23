import json

import pytest

from taskengine.model import NotFound, PlannedTask
from taskengine.workflows.scope import scope
from taskengine.workflows.templates import TemplateError, results_used
from taskengine.workflows.workflow import Retry, TaskTemplate, Workflow, callback_extras

CONTENT = {
    "workflow": "remix",
    "summary": "Two at once, then one.",
    "parameters": {"type": "object", "properties": {"pin": {"writeOnly": True}}},
    "tasks": [
        {"name": "first", "action": "core.noop"},
        {"name": "left", "action": "core.noop", "queue": "windows_capture"},
        {"name": "right", "action": "core.sleep", "with": {"seconds": 1}, "needs": ["first"]},
        {"name": "apart", "action": "core.noop", "needs": [], "when": "{{ wanted }}"},
        {
            "name": "last",
            "action": "core.fail",
            "needs": ["left", "right"],
            "retry": {"limit": 2, "delay": 0.5, "backoff": 2},
            "timeout": 60,
        },
    ],
    "callback": {
        "message": "{{ tasks.left.name }}",
        "files": "{{ tasks.last.files | default([]) }}",
    },
    "clips": {"from": "clips", "start": "start", "end": "end"},
}
WORKFLOW = Workflow.from_content(CONTENT)


def test_a_task_follows_the_one_before_it_unless_it_says_what_it_needs():
    assert WORKFLOW.definition.plan == (
        PlannedTask("first", "core.noop", "work", ()),
        PlannedTask("left", "core.noop", "windows_capture", (0,)),
        PlannedTask("right", "core.sleep", "work", (0,)),
        PlannedTask("apart", "core.noop", "work", ()),
        PlannedTask("last", "core.fail", "work", (1, 2)),
    )


def test_what_a_job_keeps_makes_the_same_workflow_again():
    own = Workflow.from_content({**CONTENT, "client": "acme"})
    for workflow in (WORKFLOW, own):
        kept = json.loads(json.dumps(workflow.content, sort_keys=True))
        assert Workflow.from_content(kept) == workflow
        assert Workflow.from_content(kept).definition.digest == workflow.definition.digest
    assert own.client == "acme"


def test_the_digest_tells_definitions_apart_and_nothing_else():
    spelt_out = json.loads(json.dumps(CONTENT))
    spelt_out["tasks"][0] |= {"queue": "work", "when": True, "with": {}}
    reordered = dict(reversed(CONTENT.items()))
    digest = WORKFLOW.definition.digest
    assert len(digest) == 64
    assert Workflow.from_content(spelt_out).definition.digest == digest
    assert Workflow.from_content(reordered).definition.digest == digest
    assert Workflow.from_content({**CONTENT, "summary": "x"}).definition.digest != digest
    assert Workflow.from_content({**CONTENT, "client": "acme"}).definition.digest != digest


def test_tasks_are_found_by_name():
    assert WORKFLOW.task("last").retry == Retry(2, 0.5, 2)
    assert WORKFLOW.task("first").retry == Retry(limit=None, delay=None, backoff=1)
    with pytest.raises(NotFound, match="nope"):
        WORKFLOW.task("nope")


@pytest.mark.parametrize(
    ("template", "seen"),
    [
        ({"a": "{{ tasks.left.x }}", "b": "{{ tasks['last'].y }}"}, {"left", "last"}),
        ("no template", set()),
        ("{{ tasks.nobody.x }}", set()),
        ("{{ tasks[name] }}", set(WORKFLOW.names)),  # only the run can tell
    ],
)
def test_a_template_sees_the_tasks_that_it_may_look_up_and_no_others(template, seen):
    assert set(WORKFLOW.tasks_seen(results_used(template))) == seen


def test_the_secrets_of_a_workflow_are_known():
    assert "pin" in WORKFLOW.secrets


def test_templates_see_parameters_results_job_and_client():
    names = scope({"a": 1, "job": "no"}, {"x": {"y": 2}}, {"id": 3}, {"storage": "S3"}, ["x", "z"])
    assert names == {
        "a": 1,
        "tasks": {"x": {"y": 2}, "z": {}},
        "job": {"id": 3},
        "client": {"storage": "S3"},
    }


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        (True, True),
        (False, False),
        ("{{ n > 1 }}", True),
        ("{{ none_yet }}", False),
        ("{{ tasks.x.files | default([]) }}", False),
        ("{{ not none_yet }}", True),
    ],
)
def test_when_decides_whether_a_task_runs(when, wanted):
    names = scope({"n": 2, "none_yet": []}, {}, {}, {}, ["x"])
    assert TaskTemplate("t", "core.noop", when=when).wanted(names) is wanted


def test_when_that_cannot_be_decided_is_an_error():
    with pytest.raises(TemplateError, match="files"):
        TaskTemplate("t", "core.noop", when="{{ tasks.x.files }}").wanted(
            scope({}, {"x": {}}, {}, {})
        )


def test_the_job_callback_has_the_extras_that_can_be_had():
    done = {"left": {"name": "a.ism"}, "last": {"files": ["a.ism"]}}
    names = scope({}, done, {}, {}, WORKFLOW.names)
    assert callback_extras(WORKFLOW.callback, names)[0] == {"message": "a.ism", "files": ["a.ism"]}
    names = scope({}, {}, {}, {}, WORKFLOW.names)
    assert callback_extras(WORKFLOW.callback, names)[0] == {"files": []}
