"""Regular expressions of workflow files: none takes long, whatever is sent; what may is refused."""

from __future__ import annotations

import time

import pytest

from taskengine.actions import find_actions
from taskengine.model import BadInput
from taskengine.workflows.library import WorkflowErrors, read
from taskengine.workflows.parameters import prepare

FLOW = """workflow: flow
parameters:
  type: object
  properties:
    code:
      type: string
      {keyword}
tasks:
  - {{name: one, action: core.noop}}
"""
CATASTROPHIC = {
    r"^(a+)+$": "a" * 28 + "!",
    r"^(a|aa)+$": "a" * 60 + "!",
    r"^(a|a)*$": "a" * 60 + "!",
    r"(.*a){25}x": "a" * 60,
    r"^(\w+\s?)*$": "word " * 20 + "!",
    r"a+$": "a" * 1_000_000 + "b",
    r"^a*a*a*a*a*b$": "a" * 100_000,
    r"(x+x+)+y": "x" * 100_000,
    r"^(([a-z])+.)+[A-Z]([a-z])+$": "a" * 100_000,
}


def problems(tmp_path, text):
    file = tmp_path / "flow.yaml"
    file.write_text(text)
    with pytest.raises(WorkflowErrors) as caught:
        read(file, find_actions())
    return [(one.line, one.message) for one in caught.value.problems]


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a_catastrophic_pattern_ends_soon(pattern):
    text = CATASTROPHIC[pattern]
    named = {"patternProperties": {pattern: {}}, "additionalProperties": False}
    inner = [{"pattern": pattern}, {"propertyNames": {"pattern": pattern}}, named]
    schemas = [{"properties": {"code": one}} for one in inner]
    schemas.append({"properties": {"code": {"$ref": "#/$defs/p"}}, "$defs": {"p": inner[0]}})
    for schema, value in zip(schemas, [text, {text: 1}, {text: 1}, text], strict=True):
        start = time.process_time()
        with pytest.raises(BadInput, match="code"):
            prepare(schema, {"code": value}, {})
        assert time.process_time() - start < 0.2


def test_a_dialect_that_a_schema_names_changes_nothing():
    dialect = "https://json-schema.org/draft/2020-12/schema"
    schema = {
        "$schema": dialect,
        "properties": {"next": {"$ref": "#"}, "code": {"pattern": "^(a+)+$"}},
    }
    start = time.process_time()
    with pytest.raises(BadInput, match=r"next\.code"):
        prepare(schema, {"next": {"code": "a" * 40 + "!"}}, {})
    assert time.process_time() - start < 0.2


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(?<!a)b", r"(a)\1", r"(?P<x>a)(?P=x)", "a{1001}"])
def test_what_cannot_be_matched_in_linear_time_is_refused(tmp_path, pattern):
    for keyword, line in (
        (f"pattern: '{pattern}'", 7),
        (f"patternProperties: {{'{pattern}': {{}}}}", 7),
    ):
        [(found, message)] = problems(tmp_path, FLOW.format(keyword=keyword))
        assert (found, message.startswith(f"{pattern}: no regular expression of RE2")) == (
            line,
            True,
        )


@pytest.mark.parametrize(
    ("keyword", "told"),
    [
        ("$dynamicRef: 'http://a.test/x'", "$dynamicRef: not available"),
        ("$dynamicRef: '#x'", "$dynamicRef: not available"),
        ("$id: 'http://a.test/x'", "$id: available at the top"),
        (
            "$schema: 'http://json-schema.org/draft-07/schema#'",
            "$schema: expected https://json-schema",
        ),
        ("$ref: 'http://a.test/x'", "points at nothing in `parameters`"),
        ("$ref: '#x'", "points at nothing in `parameters`"),
        ("$ref: 'x'", "points at nothing in `parameters`"),
    ],
)
def test_what_would_be_looked_for_elsewhere_is_refused(tmp_path, keyword, told):
    found = problems(tmp_path, FLOW.format(keyword=keyword))
    assert any(line == 7 and told in message for line, message in found), found


def test_unevaluated_properties_do_not_go_with_patterns(tmp_path):
    keyword = "unevaluatedProperties: false\n      allOf: [{patternProperties: {a: {}}}]"
    [(line, message)] = problems(tmp_path, FLOW.format(keyword=keyword))
    assert line == 7
    assert "not available together with patternProperties" in message


@pytest.mark.parametrize(
    ("properties", "refused"),
    [({"x-a": 1}, None), ({"a": 2}, None), ({"x-a": "1"}, "x-a"), ({"b": 1}, "b: unknown")],
)
def test_properties_by_pattern_and_the_others(properties, refused):
    inner = {
        "properties": {"a": {}},
        "patternProperties": {"^x-": {"type": "integer"}},
        "additionalProperties": False,
    }
    schema = {"properties": {"code": inner}}
    if refused is None:
        assert prepare(schema, {"code": properties}, {}).values["code"] == properties
        return
    with pytest.raises(BadInput, match=refused):
        prepare(schema, {"code": properties}, {})


def test_other_properties_by_their_schema():
    schema = {"properties": {"code": {"additionalProperties": {"type": "integer"}}}}
    assert prepare(schema, {"code": {"a": 1}}, {}).values["code"] == {"a": 1}
    with pytest.raises(BadInput, match=r"code\.a: expected an integer"):
        prepare(schema, {"code": {"a": "x"}}, {})
