import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskengine.workflows.sandbox import MAX_RESULT
from taskengine.workflows.templates import (
    MAX_TEMPLATE,
    TemplateError,
    evaluate,
    is_expression,
    names_used,
    problems,
    strings,
    tasks_used,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_a_whole_value_template_gives_what_was_submitted_unchanged(value):
    assert json.dumps(evaluate("{{ value }}", {"value": value})) == json.dumps(value)


@given(st.text())
def test_a_submitted_template_stays_text(text):
    hostile = f"{{{{ secret }}}}{text}{{% x %}}"
    scope = {"text": hostile, "secret": "s3cr3t"}
    assert evaluate({"a": ["{{ text }}", "<{{ text }}>"]}, scope) == {
        "a": [hostile, f"<{hostile}>"]
    }


@pytest.mark.parametrize("text", ["2024", "None", "[1,2]", "True", " 1", "1e3", ""])
def test_submitted_text_that_looks_like_something_else_stays_text(text):
    assert evaluate("{{ text }}", {"text": text}) == text


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ n }}", 5),
        ("{{ n }}\n", 5),
        ("{{- n -}}", 5),
        ("{{ -n }}", -5),
        ("{{ '}}' }}", "}}"),
        ("{{ result }}", "mine"),
        ("{{ n > 4 and not off }}", True),
        ("{{ tasks.list.items }}", ["a"]),
        ("{{ tasks.list.missing | default([]) }}", []),
        ("{{ tasks['list']['items'] | first }}", "a"),
        ("{{ name.lower().removesuffix('.mp4') }}", "film"),
        ("{{ tasks.list.values() | list }}", [["a"]]),
    ],
)
def test_an_expression_keeps_its_type(template, value):
    scope = {"n": 5, "off": False, "result": "mine", "name": "Film.MP4"}
    scope["tasks"] = {"list": {"items": ["a"]}}
    assert evaluate(template, scope) == value


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ n }}.mp4", "5.mp4"),
        ("{{ n }} ", "5 "),
        ("{{ n }}{{ n }}", "55"),
        ("on={{ on }} none={{ none }} {{ some }}", 'on=true none=null {"é": [1.5]}'),
        ("{{ [1, 'b', none] | join('-') }}!", "1-b-null!"),
        ("line {{ n }}\n", "line 5\n"),
    ],
)
def test_a_mixed_template_gives_a_string(template, text):
    assert evaluate(template, {"n": 5, "on": True, "some": {"é": [1.5]}}) == text


@pytest.mark.parametrize("text", ["", "plain", "a } b }}", "{# note", "50 % {x}", "{ {x} }"])
def test_what_is_no_template_is_left_alone(text):
    assert evaluate([text, 1, None, {"{{ key }}": True}], {}) == [
        text,
        1,
        None,
        {"{{ key }}": True},
    ]


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{ nope }}", "nope"),
        ("{{ nope.more }}", "nope"),
        ("x{{ nope }}", "nope"),
        ("{{ tasks.x.y }}", "y"),
        ("{{ tasks.z.y }}", "z"),
        ("{{ [nope] }}", "nope"),
        ("{{ {'a': tasks.x.y} }}", "y"),
        ("{{ nope * 2 }}", "nope"),
        ("{{ 1 if false }}", "inline if-expression"),
    ],
)
def test_an_undefined_name_is_an_error_that_names_it_and_the_template(template, name):
    with pytest.raises(TemplateError, match=name) as caught:
        evaluate(template, {"tasks": {"x": {}}})
    assert str(caught.value).startswith(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{",
        "{{ }}",
        "{{ a + }}",
        "{% for x in a %}{{ x }}{% endfor %}",
        "{% set a = 1 %}",
        "{{ a | nofilter }}",
        "{{ 1 if a else (a | nofilter) }}",
        "{{ 1 is nosuchtest }}",
        "{{ " + "(" * 4000 + "1" + ")" * 4000 + " }}",
        "{{ 1 }}" + " " * MAX_TEMPLATE,
    ],
)
def test_a_malformed_template_is_found_without_a_scope(template):
    with pytest.raises(TemplateError):
        names_used(template)
    assert list(problems(template, {"a", "x"}, None, ("with",)))


@pytest.mark.parametrize(
    "template",
    [
        "{{ a.__class__ }}",
        "{{ a['__class__'] }}",
        "{{ a.format(1) }}",
        "{{ ('%' ~ 'd') % 1 }}",
        "{{ a * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ a.center(1000000000) }}",
        "{{ a | center(1000000000) }}",
        "{{ many | join(big) }}",
        "{{ big | replace('', big) }}",
        "{{ big ~ big ~ big ~ big ~ big }}",
        "{{ range(9) }}",
        "{{ lipsum() }}",
        "{{ cycler }}",
        "{{ self.__init__ }}",
        "{{ tasks.update({}) }}",
        "{{ many.append(1) }}",
    ],
)
def test_what_could_do_harm_is_refused(template):
    scope = {"a": "x", "many": [1] * 1000, "big": "b" * (MAX_RESULT // 4), "tasks": {}}
    with pytest.raises(TemplateError):
        evaluate(template, scope)


@pytest.mark.parametrize(
    "template", ["{{ a | map('upper') }}", "{{ self }}", "{{ a.lower }}", "{{ 1e308 * 10 }}"]
)
def test_a_value_that_is_no_json_is_refused(template):
    with pytest.raises(TemplateError):
        evaluate(template, {"a": "x"})


def test_a_condition_decides_which_names_matter():
    assert evaluate("{{ a if on else b }}", {"on": True, "a": 1}) == 1


def test_names_and_tasks_are_found_wherever_they_are_used():
    template = {
        "a": ["{{ x + tasks.one.y }}", {"b": "{{ tasks['two'] | default(z) }} {{ x }}"}],
        "c": 1,
    }
    assert names_used(template) == {"x", "z", "tasks"}
    assert tasks_used(template) == {"one", "two"}
    assert [path for path, _ in strings(template)] == [("a", 0), ("a", 1, "b")]


def test_an_expression_is_told_from_text():
    assert is_expression("{{ a }}\n")
    assert not is_expression("a")
    assert not is_expression("{{ a }}b")
    assert not is_expression("{{ a }}{{ b }}")
