import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ConfigDict, create_model

from taskengine.actions import find_actions
from taskengine.workflows import yaml_reader
from taskengine.workflows.library import Library, WorkflowErrors, load, read
from taskengine.workflows.workflow import Workflow

STRICT = ConfigDict(extra="forbid")
ACTIONS: dict[str, Any] = {
    "core.noop": SimpleNamespace(arguments=create_model("noop", __config__=STRICT)),
    "core.sleep": SimpleNamespace(
        arguments=create_model("sleep", __config__=STRICT, seconds=(float, ...), note=(str, ""))
    ),
}
GOOD = """\
workflow: good
summary: Wait twice.
parameters:
  type: object
  required: [content_id]
  properties:
    content_id: {type: string}
    seconds: {type: number, default: 1}
    note: {type: string, default: "{{ content_id }} {{ seconds }}"}
tasks:
  - name: first
    action: core.sleep
    with: {seconds: "{{ seconds }}", note: "{{ custom_data | default('') }}"}
  - name: second
    action: core.noop
    when: "{{ tasks.first.done }}"
callback:
  message: "{{ tasks.second.text }}"
"""


def write(folder, name, text):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def problems(folder, text):
    with pytest.raises(WorkflowErrors) as caught:
        read(write(folder, "x.yaml", text), ACTIONS)
    return [(problem.line, problem.message) for problem in caught.value.problems]


def tasks(*lines):
    return "\n".join(["workflow: x", "tasks:", *(f"  {line}" for line in lines), ""])


def test_a_good_file_is_a_workflow(tmp_path):
    workflow = read(write(tmp_path, "good.yaml", GOOD), ACTIONS)
    assert (workflow.name, workflow.names, workflow.client) == ("good", ("first", "second"), None)
    assert list(workflow.parameters["properties"]) == ["content_id", "seconds", "note"]


def test_what_comes_with_the_program_is_sound():
    folder = Path(__file__).parents[2] / "config" / "workflows"
    names = {workflow.name for workflow in load([folder], find_actions()).all()}
    assert {"noop", "sleep"} <= names


MISTAKES = {
    "no YAML": ("workflow: [x\n", 2, "expected ',' or"),
    "not a mapping": ("- x\n", 1, "expected an object, got an array"),
    "empty": ("# nothing\n", 1, "expected an object, got null"),
    "two documents": ("workflow: x\n---\nworkflow: y\n", 2, "another document"),
    "a tab": ("workflow: x\n\ttasks: []\n", 2, "cannot start any token"),
    "a foreign tag": ("workflow: !!python/object:os.system x\n", 1, "'x' cannot be tag:yaml.org"),
    "a key that is no word": ("workflow: x\n? [a]\n: 1\n", 2, "a key has to be a word"),
    "an endless alias": ("workflow: x\ntasks: &a [*a]\n", 1, "too large"),
    "a key twice": (
        "workflow: x\nsummary: a\nsummary: b\ntasks: []\n",
        3,
        "'summary' is there twice",
    ),
    "a missing key": ("workflow: x\n", 1, "tasks: required, a non-empty array"),
    "an unknown key": (GOOD + "tsaks: []\n", 19, "tsaks: unknown; known are workflow, "),
    "a wrong type": (
        "workflow: x\nsummary:\n  5\ntasks: [{name: a, action: core.noop}]\n",
        2,
        "summary: expected a string, got 5",
    ),
    "no task": ("workflow: x\ntasks: []\n", 2, "expected a non-empty array, got an empty array"),
    "a misspelt task key": (
        tasks("- name: a", "  action: core.noop", "  neeeds: []"),
        5,
        "tasks[0].neeeds: unknown; known are name, action",
    ),
    "a task without a name": (tasks("- action: core.noop"), 3, "tasks[0].name: required, a string"),
    "a name no template could use": (
        tasks("- name: a-b", "  action: core.noop"),
        3,
        "tasks[0].name: expected a string with pattern",
    ),
    "a queue of its own": (
        tasks("- name: a", "  action: core.noop", "  queue: callback"),
        5,
        'tasks[0].queue: expected one of work, windows_capture, got "callback"',
    ),
    "a bad retry": (
        tasks("- name: a", "  action: core.noop", "  retry:", "    limit: -1"),
        6,
        "tasks[0].retry.limit: expected an integer from 0 to 1000, got -1",
    ),
    "an unknown action": (
        tasks("- name: a", "  action: core.slep"),
        4,
        "there is no action 'core.slep'; is 'core.sleep' meant?",
    ),
    "a missing argument": (
        tasks("- name: a", "  action: core.sleep", "  with:", "    note: x"),
        5,
        "core.sleep has to have the argument 'seconds'",
    ),
    "missing arguments": (
        tasks("- name: a", "  action: core.sleep"),
        3,
        "core.sleep has to have the argument 'seconds'",
    ),
    "an unknown argument": (
        tasks("- name: a", "  action: core.sleep", "  with:", "    seconds: 1", "    note_: x"),
        7,
        "core.sleep has no argument 'note_'; is 'note' meant?",
    ),
    "an argument of a wrong type": (
        tasks("- name: a", "  action: core.sleep", "  with:", "    note: x", "    seconds: soon"),
        7,
        "seconds: Input should be a valid number",
    ),
    "a name twice": (
        tasks("- {name: a, action: core.noop}", "- {name: a, action: core.noop}"),
        4,
        "there is another task 'a'",
    ),
    "an unknown need": (
        tasks(
            "- {name: first, action: core.noop}",
            "- name: b",
            "  action: core.noop",
            "  needs:",
            "    - frist",
        ),
        7,
        "no task 'frist'; is 'first' meant?",
    ),
    "a circle": (
        tasks(
            "- {name: a, action: core.noop}",
            "- name: b",
            "  action: core.noop",
            "  needs: [c]",
            "- {name: c, action: core.noop}",
        ),
        6,
        "needs: a circle: ",
    ),
    "a need twice": (
        tasks(
            "- {name: a, action: core.noop}",
            "- name: b",
            "  action: core.noop",
            "  needs:",
            "  - a",
            "  - a",
        ),
        8,
        "needs: 'a' is named twice",
    ),
    "itself": (tasks("- name: a", "  action: core.noop", "  needs: [a]"), 5, "a circle: a → a"),
    "bad syntax": (
        tasks("- name: a", "  action: core.noop", "  when: '{{ a + }}'"),
        5,
        "{{ a + }}: ",
    ),
    "when as text": (
        tasks("- name: a", "  action: core.noop", "  when: 'yes'"),
        5,
        "when: expected true, false or one {{ expression }}",
    ),
    "when as mixed text": (
        tasks("- name: a", "  action: core.noop", "  when: 'x{{ 1 }}'"),
        5,
        "when: expected true, false or one {{ expression }}",
    ),
    "an unknown filter": (
        tasks("- name: a", "  action: core.noop", "  when: '{{ 1 | nope }}'"),
        5,
        "there is no filter 'nope'",
    ),
    "an unknown parameter": (
        tasks(
            "- name: a",
            "  action: core.sleep",
            "  with:",
            "    seconds:",
            "      '{{ content_di }}'",
        ),
        6,
        "there is no parameter 'content_di'; is 'content_id' meant?",
    ),
    "a task that is not there": (
        tasks(
            "- {name: a, action: core.noop}",
            "- name: b",
            "  action: core.noop",
            "  when: '{{ tasks.c.x }}'",
        ),
        6,
        "no task 'c' always goes before",
    ),
    "a task beside": (
        tasks(
            "- {name: a, action: core.noop}",
            "- name: b",
            "  action: core.noop",
            "  needs: []",
            "  when: '{{ tasks.a.x }}'",
        ),
        7,
        "no task 'a' always goes before",
    ),
    "a task's own result": (
        tasks("- name: a", "  action: core.noop", "  when: '{{ tasks.a.x }}'"),
        5,
        "no task 'a' always goes before",
    ),
    "a callback of no task": (
        GOOD + '  files: "{{ tasks.thrid.x }}"\n',
        19,
        "no task 'thrid' always goes before",
    ),
    "a callback of no parameter": (GOOD + '  files: "{{ thing }}"\n', 19, "no parameter 'thing'"),
    "no JSON Schema": (
        GOOD.replace("type: number", "type: nmuber"),
        8,
        "properties.seconds.type: no JSON Schema",
    ),
    "a misspelt keyword": (
        GOOD.replace("type: number,", "typ: number,"),
        8,
        "typ: no keyword of JSON Schema; is 'type' meant?",
    ),
    "a reference to nothing": (
        GOOD.replace("{type: number,", "{$ref: '#/$defs/x',"),
        8,
        "#/$defs/x: points at nothing",
    ),
    "a remote reference": (
        GOOD.replace("{type: number,", "{$ref: 'https://example.org/s',"),
        8,
        "points at nothing",
    ),
    "parameters that are no object": (
        GOOD.replace("  type: object", "  type: array"),
        4,
        'parameters.type: expected "object", got "array"',
    ),
    "a parameter called job": (GOOD.replace("seconds:", "job:", 1), 8, "job: the name is taken"),
    "a default of no parameter": (
        GOOD.replace('{{ seconds }}"}\ntasks', '{{ secs }}"}\ntasks'),
        9,
        "there is no parameter 'secs'",
    ),
    "a default that comes too early": (
        GOOD.replace("default: 1", "default: '{{ note }}'"),
        8,
        "there is no parameter 'note'",
    ),
    "a default of a task": (
        GOOD.replace("default: 1", "default: '{{ tasks.first.x }}'"),
        8,
        "there is no parameter 'tasks'",
    ),
    "a default nested": (
        GOOD.replace("default: 1", "items: {properties: {a: {default: '{{ b }}'}}}"),
        8,
        "there is no parameter 'b'",
    ),
    "a default in a definition": (
        GOOD.replace(
            "  properties:",
            "  $defs: {x: {properties: {a: {default: '{{ nope }}'}}}}\n  properties:",
        ),
        6,
        "there is no parameter 'nope'",
    ),
    "a reference to itself": (
        GOOD.replace("{type: number,", "{$ref: '#/properties/seconds',"),
        8,
        "#/properties/seconds: goes round in a circle",
    ),
    "a bad pattern": (
        GOOD.replace("content_id: {", "content_id: {pattern: '(', "),
        7,
        "properties.content_id.pattern: no JSON Schema",
    ),
    "a default of a wrong type": (
        GOOD.replace("default: 1", "default: soon"),
        8,
        "default: is not valid by its own schema",
    ),
    "a bad task beside a bad schema": (
        GOOD.replace("type: number", "type: nmuber").replace("core.noop", "core.nope"),
        15,
        "there is no action 'core.nope'",
    ),
    "a number too large": ("workflow: x\nsummary: 1e999\n", 2, "'1e999' cannot be"),
    "clips of nothing": (
        GOOD + "clips: {from: clips, start: start, end: end}\n",
        19,
        "clips: there is no parameter 'clips'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_line(tmp_path, mistake):
    text, line, message = MISTAKES[mistake]
    found = problems(tmp_path, text)
    assert any(line == at and message in said for at, said in found), found


def test_all_mistakes_are_told_at_once(tmp_path):
    bad = tasks("- {name: a, action: nope}", "- {name: b, action: core.sleep}")
    write(tmp_path, "common/a.yaml", bad)
    write(tmp_path, "clients/acme/b.yaml", "workflow: x\n")
    with pytest.raises(WorkflowErrors) as caught:
        load([tmp_path, tmp_path / "missing"], ACTIONS)
    lines = str(caught.value).splitlines()
    places = [re.match(rf"{re.escape(str(tmp_path))}/(\S+:\d+): .", line)[1] for line in lines]
    assert places == ["clients/acme/b.yaml:1", "common/a.yaml:3", "common/a.yaml:4", "missing:1"]


def test_later_kinds_of_mistakes_are_told_with_the_first(tmp_path):
    text = GOOD.replace("summary:", "sumary:").replace('note: "{{ custom', 'nota: "{{ custom')
    text = text.replace("tasks.second.text", "tasks.third.text").replace(
        "when:", "timeout: x\n    when:"
    )
    told = [message for _, message in problems(tmp_path, text)]
    assert len(told) == 4
    assert told[0].startswith("sumary: unknown; known are")
    assert told[1] == "core.sleep has no argument 'nota'; is 'note' meant?"
    assert told[2] == 'tasks[1].timeout: expected a number, got "x"'
    assert told[3] == "{{ tasks.third.text }}: no task 'third' always goes before"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{{ content_id }} {{ seconds }}", "{{ job.run_at[:10] }}",
         "{{ job.run_at[:10] }}: there is no job.run_at here; there are client, workflow, "
         "priority, created_at"),
        ("{{ content_id }} {{ seconds }}", "{{ job['id'] }}",
         "{{ job['id'] }}: there is no job.id"),
        ("{{ seconds }}\", note", "{{ job.prioriti }}\", note",
         "{{ job.prioriti }}: there is no job.prioriti here; is 'priority' meant?"),
        ("tasks.second.text", "client.storag",
         "{{ client.storag }}: there is no client.storag here; is 'storage' meant?"),
    ],
)  # fmt: skip
def test_a_template_sees_what_there_is_at_its_time(tmp_path, old, new, told):
    assert old in GOOD
    [(_, message)] = problems(tmp_path, GOOD.replace(old, new))
    assert message.startswith(told)


def test_what_may_be_missing_has_a_default(tmp_path):
    text = GOOD.replace("{{ tasks.second.text }}", "{{ client.colour | default('') }}")
    assert read(write(tmp_path, "x.yaml", text), ACTIONS).names == ("first", "second")


def test_a_problem_of_two_missing_keys_is_two_problems(tmp_path):
    assert [message.split(":")[0] for _, message in problems(tmp_path, "{}\n")] == [
        "tasks",
        "workflow",
    ]


def test_only_true_and_false_are_booleans_and_times_are_text(tmp_path):
    text = GOOD + "  a: [no, on, yes, True, 1:30, 00:00:10, 2020-01-01, 010, 0x1f, .inf, 1_000]\n"
    text += "  b: [true, false, null, ~, -5, 1.5, 1e3, '5', !!str 5]\n"
    callback = read(write(tmp_path, "x.yaml", text), ACTIONS).callback
    assert callback["a"] == (
        [
            "no",
            "on",
            "yes",
            "True",
            "1:30",
            "00:00:10",
            "2020-01-01",
            "010",
            "0x1f",
            ".inf",
            "1_000",
        ]
    )
    assert callback["b"] == [True, False, None, None, -5, 1.5, 1000.0, "5", "5"]


def test_an_anchor_may_be_used_again(tmp_path):
    text = tasks(
        "- {name: a, action: core.sleep, with: &w {seconds: 1}}",
        "- {name: b, action: core.sleep, with: *w}",
    )
    assert read(write(tmp_path, "x.yaml", text), ACTIONS).task("b").with_ == {"seconds": 1}


def test_aliases_of_aliases_are_bounded(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "too large" in problems(tmp_path, "\n".join(lines))[0][1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- {name: a, action: b}\n" * 600, "larger than 10000 bytes"),
        ("- [a, b, c]\n" * 300, "more than 1000 values"),
        ("- a\n" * 2_000, "more than 1000 values"),
        ("- " + "[" * 4_000 + "]" * 4_000, "nested deeper than 100 levels"),
        ("- " + "[" * 9_000, "nested deeper than 100 levels"),
    ],
)
def test_a_file_that_is_too_large_is_told_of_as_that(tmp_path, monkeypatch, text, told):
    monkeypatch.setattr(yaml_reader, "MAX_FILE", 10_000)
    monkeypatch.setattr(yaml_reader, "MAX_VALUES", 1_000)
    [(line, message)] = problems(tmp_path, f"workflow: x\ntasks:\n{text}")
    assert told in message
    assert "alias" not in message
    assert line == 1


@pytest.mark.parametrize("levels", [10, 30, 45])
def test_a_schema_may_nest_deeply(tmp_path, levels):
    """As deeply as a file may; it is no stack of ours that limits it."""
    nested = "{type: object, properties: {a: " * levels + "{type: string}" + "}}" * levels
    text = tasks("- {name: a, action: core.noop}") + f"parameters: {nested}\n"
    assert read(write(tmp_path, "x.yaml", text), ACTIONS).parameters["type"] == "object"


def test_text_that_is_no_utf8_is_told(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_bytes(b"workflow: \xff\n")
    with pytest.raises(WorkflowErrors, match=r"x\.yaml:1: cannot be read"):
        read(file, ACTIONS)


def named(name, summary):
    return f"workflow: {name}\nsummary: {summary}\ntasks: [{{name: a, action: core.noop}}]\n"


def test_a_client_has_its_own_and_later_folders_win(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    write(one, "common/a.yaml", named("a", "first"))
    write(one, "common/b.yaml", named("b", "first"))
    write(one, "clients/acme/b.yml", named("b", "acme's"))
    write(one, "clients/acme/.hidden.yaml", "nonsense")
    write(one, "common/notes.txt", "nonsense")
    write(two, "common/a.yaml", named("a", "second"))
    write(two, "common/b.yaml", named("b", "second"))
    library = load([one, two], ACTIONS)
    found = {(c, n): library.find(c, n).summary for c in ("acme", "other") for n in "ab"}
    assert found == {
        ("acme", "a"): "second",
        ("acme", "b"): "acme's",
        ("other", "a"): "second",
        ("other", "b"): "second",
    }
    assert library.find("acme", "b").client == "acme"
    assert library.find("acme", "c") is None
    assert [(w.client, w.name) for w in library.all()] == [(None, "a"), (None, "b"), ("acme", "b")]


def test_one_folder_has_a_workflow_once(tmp_path):
    write(tmp_path, "common/a.yaml", named("a", "x"))
    write(tmp_path, "common/b.yaml", "# a copy\n" + named("a", "x"))
    with pytest.raises(WorkflowErrors, match=r"b\.yaml:2: a is also in .*a\.yaml"):
        load([tmp_path], ACTIONS)


def test_the_digest_of_a_library_is_of_what_its_workflows_say():
    def library(*summaries):
        flows = [
            Workflow.from_content(
                {
                    "workflow": f"w{n}",
                    "summary": text,
                    "tasks": [{"name": "a", "action": "core.noop"}],
                }
            )
            for n, text in enumerate(summaries)
        ]
        return Library({(one.client, one.name): one for one in flows})

    assert library("x", "y").digest == library("x", "y").digest
    assert len({library().digest, library("x").digest, library("x", "z").digest}) == 3
