"""A batch is taken apart as if it had been parsed whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskengine.api import batches
from taskengine.api.batches import MAX_BATCH, TooLarge, split
from taskengine.model import BadInput
from tests.api.test_json_body import TEXTS, VALUES

SMALL, MOST = (40, 101), 100  # in place of the real windows and limit


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(batches, "WINDOWS", SMALL)
    monkeypatch.setattr(batches, "MAX_BODY", MOST)


def written(value, indent):
    return json.dumps(value, indent=indent).replace("Infinity", "1e999")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(VALUES | st.dictionaries(TEXTS, VALUES, max_size=5), max_size=6),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
)
def test_items_are_those_of_the_whole(items, indent, beside):
    whole = {"client": "acme", "jobs": items} if beside else items
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "WINDOWS", SMALL)
        patch.setattr(batches, "MAX_BODY", MOST)
        found = split(written(whole, indent).encode())
    assert found.client == ("acme" if beside else "")
    assert len(found.items) == len(items)
    for text, value in zip(found.items, items, strict=True):
        if isinstance(text, bytes):
            assert json.loads(text) == json.loads(written(value, None))
            assert len(text) <= MOST
        elif not isinstance(text, TooLarge):
            assert not isinstance(value, dict)
        else:
            assert len(written(value, 2)) + 6 * len(items) > MOST / 4


@pytest.mark.parametrize(
    "large",
    [
        '{"a": "' + "x" * 200 + '"}',
        '{"a": [' + "[[]], " * 50 + "{}]}",
        '{"a": [' + '{"b": "]}"}, ' * 50 + '"\\"]"]}',
        "[" + "1, " * 99 + "1]",
        '"' + "\\\\" * 99 + '"',
        "1" * 200,
    ],
)
def test_what_is_too_large_is_passed_over(small, large):
    found = split(f'[{{"a": 1}}, {large} , {{"b": 2}}]'.encode())
    first, middle, last = found.items
    assert (first, last) == (b'{"a": 1}', b'{"b": 2}')
    assert isinstance(middle, TooLarge)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[", "[1", "[1,", "[1 2]", "[1,]", "[{]", '{"jobs": [1]', '{"jobs": [] 1}'),
        *('{"jobs"}', '{"jobs":}', "{1: 2}", "[]]", "[] x", "[NaN]", "[1e]", "\ufeff[]x"),
        *("{}", "7", '"x"', '{"jobs": {}}', '{"jobs": 1, "client": "a"}', "[" * 99_999),
        *("[" + "[" * 30 + "1, " * 40, '{"jobs": [], "job": []}'),
    ],
)
def test_what_is_no_batch_is_refused(small, text):
    with pytest.raises(BadInput, match="body"):
        split(text.encode())


def test_the_last_jobs_count_as_anywhere():
    assert split(b'{"jobs": [{"a":1}], "jobs": [{"b":2}]}').items == [b'{"b":2}']
    with pytest.raises(BadInput):
        split(b'{"jobs": [{}], "jobs": 7}')


def test_no_more_are_read_than_a_batch_may_have():
    assert len(split(b"[" + b"{}," * (MAX_BATCH - 1) + b"{}]").items) == MAX_BATCH
    with pytest.raises(BadInput, match="at most 1000"):
        split(b"[" + b"{}," * 5_000_000)
