import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskengine.masking import masked
from taskengine.model import BadInput
from taskengine.workflows.parameters import prepare
from taskengine.workflows.schemas import secret_names

SCHEMA = {
    "type": "object",
    "required": ["content_id"],
    "properties": {
        "content_id": {"type": "string", "minLength": 1},
        "drm": {"type": "array", "items": {"enum": ["clear", "cenc"]}, "default": ["clear"]},
        "profile": {"enum": ["H264", "H265"], "default": "H264"},
        "mp4": {"type": "boolean", "default": False},
        "fps": {"type": "number", "default": 12},
        "width": {"type": "integer", "minimum": 1, "maximum": 100},
        "at": {"type": ["number", "string"], "default": 0},
        "name": {"type": "string", "default": "{{ content_id }}.mp4"},
        "thumbs": {"type": "boolean", "default": "{{ mp4 }}"},
        "storage": {"type": "string", "default": "{{ client.storage }}"},
        "token": {"type": "string", "writeOnly": True, "maxLength": 4},
        "clips": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/clip"}},
    },
    "$defs": {
        "clip": {
            "type": "object",
            "additionalProperties": False,
            "oneOf": [{"required": ["source"]}, {"required": ["sources"]}],
            "properties": {
                "source": {"type": "string", "format": "http-url"},
                "sources": {"type": "array"},
                "start": {"type": "string"},
                "accurate": {"type": "boolean", "default": False},
                "content_key": {"type": "string"},
                "markers": {
                    "type": "object",
                    "properties": {"accurate": {"type": "boolean", "default": "{{ accurate }}"}},
                },
            },
        }
    },
}
SCOPE = {"client": {"storage": "S3"}, "job": {}}
CLIP = {"source": "https://vod.example.org/a.ism"}


def prepared(**given):
    return prepare(SCHEMA, {"content_id": "c", **given}, SCOPE).values


def refusal(**given):
    with pytest.raises(BadInput) as caught:
        prepared(**given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("mp4", "true", True),
        ("mp4", "False", False),
        ("fps", "5", 5),
        ("fps", "2.5", 2.5),
        ("fps", "-1e2", -100.0),
        ("width", "7", 7),
        ("at", "5", "5"),
        ("at", "1:34.000", "1:34.000"),
        ("profile", "h265", "H265"),
        ("drm", ["CENC", "clear"], ["cenc", "clear"]),
        ("name", "2024", "2024"),
        ("custom_data", {"n": "5"}, {"n": "5"}),
        ("custom_data", None, None),
        ("rest_endpoints", "https://a.example.org/te", ["https://a.example.org/te"]),
        ("mp4", None, False),
    ],
)
def test_input_is_read_leniently(name, given, value):
    result = prepared(**{name: given})[name]
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("mp4", "yes"),
        ("mp4", "1"),
        ("mp4", 1),
        ("fps", "0x10"),
        ("fps", "1e999"),
        ("fps", "٣"),
        ("fps", True),
        ("width", "1.5"),
        ("name", 5),
        ("width", "9" * 5000),
    ],
)
def test_input_that_fits_no_type_is_not_guessed_at(name, given):
    assert refusal(**{name: given}).startswith(f"parameters.{name}: expected ")


@given(st.integers(-(10**17), 10**17) | st.decimals(-(10**9), 10**9, places=3))
def test_a_number_may_come_as_text(number):
    assert prepared(fps=str(number))["fps"] == pytest.approx(float(number), rel=1e-15)


def test_items_and_nested_properties_are_read_leniently_too():
    clips = [{**CLIP, "accurate": "TRUE", "start": None, "markers": {"accurate": "false"}}]
    assert prepared(clips=clips)["clips"] == [
        {**CLIP, "accurate": True, "markers": {"accurate": False}}
    ]


def test_defaults_are_filled_in_order_and_see_what_is_there():
    values = prepared(mp4="true")
    assert values["name"] == "c.mp4"
    assert values["thumbs"] is True
    assert values["storage"] == "S3"
    assert values["drm"] == ["clear"]
    assert "width" not in values


def test_defaults_of_items_see_what_is_declared_around_them():
    clips = [{**CLIP, "accurate": True, "markers": {}}, {**CLIP, "markers": {}}, CLIP]
    assert prepared(clips=clips)["clips"] == [
        {**CLIP, "accurate": True, "markers": {"accurate": True}},
        {**CLIP, "accurate": False, "markers": {"accurate": False}},
        {**CLIP, "accurate": False},
    ]


def test_a_submitted_template_is_data():
    values = prepared(content_id="{{ client.storage }}", extra="{{ job }}")
    assert values["content_id"] == "{{ client.storage }}"
    assert values["name"] == "{{ client.storage }}.mp4"
    assert values["extra"] == "{{ job }}"


def test_what_is_submitted_cannot_pose_as_the_client():
    values = prepared(client={"storage": "mine"}, job=1)
    assert values["storage"] == "S3"


def test_undeclared_names_are_told_in_order_and_kept_as_they_came():
    given = {"zz": "5", "content_id": "c", "input_root": "in", "aa": None}
    result = prepare(SCHEMA, given, SCOPE)
    assert result.undeclared == ("zz", "aa")
    assert result.values["zz"] == "5"
    assert result.values["aa"] is None


def test_the_input_is_not_changed():
    given = {"content_id": "c", "clips": [{**CLIP, "markers": {}}], "drm": ["CENC"]}
    before = copy.deepcopy(given)
    prepare(SCHEMA, given, SCOPE)
    assert given == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"content_id": None}, "parameters.content_id: required, a non-empty string"),
        ({"content_id": ""}, 'parameters.content_id: expected a non-empty string, got ""'),
        ({"content_id": 5}, "parameters.content_id: expected a non-empty string, got 5"),
        ({"clips": [{**CLIP, "start": 5}]}, "parameters.clips[0].start: expected a string, got 5"),
        ({"clips": []}, "parameters.clips: expected a non-empty array, got an empty array"),
        ({"clips": "x"}, 'parameters.clips: expected a non-empty array, got "x"'),
        ({"clips": [{}]}, "parameters.clips[0]: expected exactly one of source, sources"),
        ({"clips": [{**CLIP, "sources": []}]},
         "parameters.clips[0]: expected exactly one of source, sources"),
        ({"clips": [{**CLIP, "strat": 1}]},
         "parameters.clips[0].strat: unknown; known are source, sources, start, accurate, "
         "content_key, markers"),
        ({"drm": ["clear", "rot13"]},
         'parameters.drm[1]: expected one of clear, cenc, got "rot13"'),
        ({"width": 0}, "parameters.width: expected an integer from 1 to 100, got 0"),
        ({"at": []}, "parameters.at: expected a number or a string, got an empty array"),
        ({"rest_endpoints": ["ftp://a.example.org"]},
         'parameters.rest_endpoints[0]: expected an http or https URL, got "ftp://a.example.org"'),
        ({"rest_endpoints": 5}, "parameters.rest_endpoints: expected an array, got 5"),
        ({"output_root": ""}, 'parameters.output_root: expected a non-empty string, got ""'),
        ({"token": "much too long"}, "parameters.token: expected a string with maxLength 4"),
        ({"clips": [{**CLIP, "content_key": 12345678}]},
         "parameters.clips[0].content_key: expected a string"),
        ({"clips": [{**CLIP, "start": {}}], "mp4": "no"},
         'parameters.mp4: expected true or false, got "no"; '
         "parameters.clips[0].start: expected a string, got an empty object"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_place_and_what_was_expected(given, message):
    assert refusal(**given) == message


@pytest.mark.parametrize(
    "url", ["http://", "//a/b", "https://a b/", "http://a:x/", "http://a:99999/", "http://[::1", ""]
)
def test_a_callback_url_has_to_be_one(url):
    assert "expected an http or https URL" in refusal(rest_endpoints=[url])


@pytest.mark.parametrize("given", [None, [], "x", 5])
def test_parameters_are_an_object(given):
    with pytest.raises(BadInput, match=r"^parameters: expected an object, got "):
        prepare(SCHEMA, given, SCOPE)


def test_what_was_submitted_is_blamed_rather_than_the_default_made_of_it():
    properties = {"to": {"type": "string", "default": "{{ source }}"}, "source": {"type": "string"}}
    with pytest.raises(BadInput, match=r"^parameters\.source: "):
        prepare({"properties": properties}, {"source": 5}, SCOPE)


def test_a_missing_parameter_is_blamed_rather_than_the_default_that_needs_it():
    with pytest.raises(BadInput, match=r"^parameters\.content_id: required"):
        prepare(SCHEMA, {}, SCOPE)


def test_a_default_that_cannot_be_had_is_told():
    schema = {"properties": {"name": {"default": "{{ content_id }}.mp4"}}}
    with pytest.raises(BadInput, match=r"^parameters\.name: .*'content_id' is undefined"):
        prepare(schema, {}, SCOPE)


def test_a_strict_workflow_may_refuse_undeclared_names_but_not_the_universal_ones():
    schema = {"additionalProperties": False, "properties": {}}
    assert prepare(schema, {"content_id": "c"}, SCOPE).undeclared == ()
    with pytest.raises(BadInput, match=r"^parameters\.other: unknown; known are "):
        prepare(schema, {"other": 1}, SCOPE)


def test_secrets_are_found_at_any_depth():
    inner = {"type": "array", "items": {"properties": {"pin": {"$ref": "#/$defs/hidden"}}}}
    schema = {
        "properties": {
            "token": {"writeOnly": True},
            "writeOnly": {"type": "boolean"},
            "list": inner,
        },
        "$defs": {"hidden": {"type": "string", "writeOnly": True}},
    }
    always = {"content_key", "key_id", "seed", "playready_key"}
    assert secret_names(schema) == always | {"token", "pin"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", ""),
        ("12345678", "********"),
        ("1234567890123456", "*" * 16),
        ("12345678901234567", "*" * 13 + "4567"),
        ("a" * 32 + "b13c", "*" * 32 + "b13c"),
        (None, None),
        (1234567890, "**********"),
        (True, "****"),
        ({"a": ["a-secret-of-a-value"]}, {"a": ["*" * 15 + "alue"]}),
    ],
)
def test_all_but_the_end_of_a_secret_is_masked(value, shown):
    assert masked([{"seed": value, "n": 1}], frozenset({"seed"})) == [{"seed": shown, "n": 1}]


@given(st.dictionaries(st.text(), st.text(alphabet="abc", min_size=5)))
def test_a_masked_value_never_shows_more_than_four_characters(value):
    for text in masked({"seed": value}, frozenset({"seed"}))["seed"].values():
        assert sum(character != "*" for character in text) <= 4


PLAIN = "abc:/?& \n\u00e9"  # no names of secrets, no @ and no =


@given(
    st.recursive(
        st.text(PLAIN) | st.integers() | st.none(),
        lambda x: st.lists(x) | st.dictionaries(st.text(PLAIN), x),
    )
)
def test_nothing_else_is_masked(value):
    assert json.dumps(masked(value, frozenset())) == json.dumps(value)


@pytest.mark.parametrize(
    "part",
    [
        {"$dynamicRef": "http://nowhere.test/schema"},
        {"$dynamicRef": "#nowhere"},
        {"$ref": "#/$defs/missing"},
        {"type": "unheard of"},
    ],
)
def test_a_schema_that_cannot_be_applied_refuses_the_job(part):
    with pytest.raises(BadInput, match=r"^parameters: the workflow's schema cannot be applied"):
        prepare({"type": "object", "properties": {"a": part}}, {"a": 1}, {})


def test_what_the_schema_says_nothing_of_is_kept_as_it_came():
    given = {"content_id": "c", "custom_data": [[None, {"a": None}], "1"], "odd": {"b": [None]}}
    values = prepare(SCHEMA, given, {"client": {"storage": "S3"}}).values
    assert values["custom_data"] is given["custom_data"]
    assert values["odd"] == {"b": [None]}


def test_all_problems_of_a_submission_are_told_but_not_those_that_follow_from_them():
    schema = {
        "required": ["name", "when"],
        "properties": {
            "name": {"type": "string"},
            "when": {"type": "string"},
            "n": {"type": "integer", "minimum": 1},
            "twice": {"type": "integer", "default": "{{ n }}"},
            "flag": {"type": "boolean"},
        },
    }
    with pytest.raises(BadInput) as refused:
        prepare(schema, {"n": "x", "flag": 3, "name": 4}, {})
    assert str(refused.value) == (
        "parameters.when: required, a string; "
        "parameters.name: expected a string, got 4; "
        'parameters.n: expected an integer of at least 1, got "x"; '
        "parameters.flag: expected true or false, got 3"
    )


def test_of_very_many_problems_ten_are_told():
    schema = {"properties": {f"n{n}": {"type": "integer"} for n in range(30)}}
    with pytest.raises(BadInput) as refused:
        prepare(schema, {f"n{n}": "x" for n in range(30)}, {})
    assert str(refused.value).count("expected an integer") == 10
    assert str(refused.value).endswith("; 20 more are wrong")
