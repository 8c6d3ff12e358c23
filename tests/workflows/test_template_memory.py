"""However an expression multiplies what it is given, it ends before it takes much memory."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import suppress

import pytest

from taskengine.workflows.sandbox import MAX_MADE
from taskengine.workflows.templates import TemplateError, evaluate, tasks_used

TEXT = "x" * 1_000_000
SCOPE = {
    "a": TEXT,
    "l": list(range(100_000)),
    "d": {"k": TEXT},
    "n": 10**9,
    "s": ", ".join("x" * 9),
}


def many(part, number, between):
    return "{{ " + between.join([part] * number) + " }}"


TEMPLATES = {
    "concatenation": many("a", 3000, "~"),
    "concatenation of other values": many("d", 1500, "~"),
    "addition": many("a", 3000, "+"),
    "addition of lists": many("l", 2000, "+"),
    "a mixed template": "{{a}}" * 1900,
    "several long texts": "{{ [" + ",".join(["a ~ a ~ a"] * 500) + "] }}",
    "slices": "{{ [" + ",".join(["a[1:]"] * 1000) + "] }}",
    "slices of lists": "{{ [" + ",".join(["l[1:]"] * 1000) + "] }}",
    "methods": "{{ [" + ",".join(["a.upper()"] * 500) + "] }}",
    "filters": "{{ [" + ",".join(["a|upper"] * 700) + "] }}",
    "lists of texts": "{{ [" + ",".join(["a|list"] * 700) + "] }}",
    "mapped filters": "{{ [" + ",".join(["a"] * 3000) + "] | map('upper') | list }}",
    "mapped lists": "{{ [" + ",".join(["a"] * 3000) + "] | map('list') | list | length }}",
    "joined objects": "{{ [" + ",".join(["d"] * 3000) + "] | join }}",
    "a long separator": "{{ l | join(a) }}",
    "a long replacement": "{{ a | replace('x', a) }}",
    "sums of lists": "{{ [" + ",".join(["l"] * 3000) + "] | sum(start=[]) | length }}",
    "splits": "{{ [" + ",".join(["s.split(',')", "a.split('x')"] * 300) + "] | length }}",
    "multiplied texts": "{{ 'x' * 10**9 }}",
    "multiplied lists": "{{ [1] * n }}",
    "powers": "{{ n ** n ** n }}",
    "a width": "{{ a.center(n) }}",
    "a width of a filter": "{{ a | center(n) }}",
    "a format": "{{ '%1000000000d' % 1 }}",
    "a range": "{{ range(n) | list }}",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_expression_ends_before_it_takes_much_memory(name):
    with suppress(TemplateError):
        tasks_used(TEMPLATES[name])  # compiled before the tracer, which slows that down
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(TemplateError):
            evaluate(TEMPLATES[name], SCOPE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300e6
    assert time.process_time() - start < 10  # under the tracer; a fifth of that without


def test_the_templates_of_a_structure_count_together():
    many = {f"k{i}": ["{{ a }}", "x{{ a }}"] for i in range(100)}
    with pytest.raises(TemplateError, match=f"more than {MAX_MADE} characters"):
        evaluate(many, SCOPE)
    assert len(evaluate(dict(list(many.items())[:10]), SCOPE)) == 10
    assert len(evaluate({f"k{i}": "{{ a }}" for i in range(100)}, SCOPE)) == 100  # nothing is made


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ 'a' ~ 1 ~ true ~ ['b'] }}", 'a1true["b"]'),
        ("{{ s[3:7] ~ s[-1] ~ l[::50000] }}", "x, x" + "x" + "[0, 50000]"),
        ("{{ [1, 2.5] | sum }}", 3.5),
        ("{{ [{'n': 1}, {'n': 2}] | sum(attribute='n') }}", 3),
        ("{{ [1] + [2] }}", [1, 2]),
        ("{{ 'a' + 'b' }}", "ab"),
        ("{{ 1 + 2.5 }}", 3.5),
        ("{{ ['b', 'a'] | map('upper') | sort | join('-') }}", "A-B"),
        ("{{ {'a': 1} | items | list | length }}", 1),
    ],
)
def test_what_is_bounded_works_as_ever(template, value):
    assert evaluate(template, SCOPE) == value


@pytest.mark.parametrize("template", ["{{ 'a' + 1 }}", "{{ a ~ missing }}", "{{ missing[1:] }}"])
def test_what_does_not_go_together_is_an_error(template):
    with pytest.raises(TemplateError):
        evaluate(template, SCOPE)
