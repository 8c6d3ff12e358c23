"""A look at the text saves the walk through all values, and changes nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskengine.api import json_body
from taskengine.api.json_body import FEW, LIGHT, Document, decoded, is_heavy, loaded, parse
from taskengine.model import BadInput

TEXTS = st.text(
    st.characters(codec=None, categories=["L", "N", "P", "Cs", "Cc"]), max_size=6
) | st.sampled_from(["e1", "1e5", "0" * 19, "\\u0000", "\0", "\ud800", "\\", '"'])
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.just(float("inf"))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def walked(raw):
    """What a walk through all values gives."""
    document = Document({})
    document.value = json_body._kept(loaded(decoded(raw)), 1, document, "the body")
    return document


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans(), st.integers(0, 70))
def test_what_is_walked_through_and_what_is_not_are_alike(body, escaped, depth):
    value = body
    for _ in range(depth):
        value = [value]
    text = json.dumps({"a": value}, ensure_ascii=escaped).replace("Infinity", "1e999")
    raw = text.encode("utf-8", "surrogatepass")
    found, expected = parse(raw), walked(raw)
    assert (found.value, found.problem) == (expected.value, expected.problem)
    json.dumps(found.value, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_a_document_is_read_in_any_encoding_of_json(encoding):
    assert parse('{"a": "é\\u0000"}'.encode(encoding)).value == {"a": "é\ufffd"}


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[1", b"{}x", b"NaN", b"7", b"[]", b"[" * 99_999])
def test_what_is_no_object_is_refused(raw):
    with pytest.raises(BadInput, match="body"):
        parse(raw)


def test_keys_that_stand_twice_are_told_each_once():
    inner = '{"b": 1, "b": 2}'
    document = parse(f'{{"a": [{inner}, {inner}], "\\u0000": 1, "\\u0000": 2, "c": 3}}'.encode())
    assert document.repeated == ("b", "\ufffd")
    assert document.value["a"][0] == {"b": 2}
    many = ", ".join(f'"{n}": 1, "{n}": 2' for n in range(300))
    assert len(parse(f"{{{many}}}".encode()).repeated) == json_body.MAX_REPEATED
    assert parse(b'{"a": {"a": 1}}').repeated == ()


@pytest.mark.parametrize(
    ("raw", "heavy"),
    [
        (b'{"a": "' + b"x" * 60_000 + b'"}', False),
        (b'{"a": "' + b"x" * LIGHT + b'"}', True),
        (b'{"a": [' + b"[]," * FEW + b"1]}", True),
        (b'{"a": [' + b"1," * (FEW // 2) + b"1]}", False),
        (b"{" * 3000, True),
    ],
)
def test_bytes_and_values_make_a_document_heavy(raw, heavy):
    assert is_heavy(raw) is heavy
