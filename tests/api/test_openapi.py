"""/openapi.json tells all that the app has, and /docs shows it from files of its own."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from taskengine.api.openapi.document import Documentation, document_path
from taskengine.api.openapi.lenient import parameters_of
from taskengine.workflows.library import Library
from tests.api.described import BUILT_IN, document, idle_services, routes, url_map

KEY_AND_CLIENT = {"client": [], "api-key": []}


@pytest.fixture(scope="module")
def content():
    return document()


def described(content):
    return {(method.upper(), path) for path, item in content["paths"].items() for method in item}


def test_document_and_app_have_the_same_routes(content):
    registered = {
        (method, document_path(rule.rule))
        for rule in url_map().iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    pages = {(route.method, document_path(route.path)) for route in routes() if not route.about}
    assert described(content) == registered - pages
    assert all(path.startswith("/ui") for _, path in pages)


async def test_the_document_needs_no_credentials(api):
    for path in ("/openapi.json", "/docs"):
        assert (await api.request("GET", path)).status_code == 200


async def test_the_document_is_openapi_3_1(api, content):
    answer = await api.request("GET", "/openapi.json")
    served = await answer.get_json()
    assert answer.mimetype == "application/json"
    assert served["openapi"] == "3.1.0"
    assert served["info"]["version"] == "1.169.3"
    assert served["paths"] == content["paths"]


def references(value):
    if isinstance(value, dict):
        yield from [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from references(part)


def test_every_reference_points_at_something(content):
    for reference in set(references(content)):
        found = content
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert isinstance(found, dict)


def test_every_schema_is_one(content):
    for schema in content["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_patterns_are_those_of_javascript_too(content):
    patterns = re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(content))
    assert patterns
    assert not [pattern for pattern in patterns if "(?i" in pattern or "(?P" in pattern]


def operation(content, method, path):
    return content["paths"][path][method.lower()]


def test_operations_have_names_of_their_own(content):
    names = [operation(content, *each)["operationId"] for each in described(content)]
    assert len(set(names)) == len(names)
    assert operation(content, "GET", "/jobs/{job_id}")["operationId"] == "get_jobs_job_id"


def test_credentials_are_told(content):
    assert operation(content, "GET", "/health")["security"] == [KEY_AND_CLIENT]
    assert operation(content, "GET", "/jobs")["security"] == []
    assert operation(content, "POST", "/job")["security"] == [KEY_AND_CLIENT, {"api-key": []}]
    closed = operation(document(public_reads=False), "GET", "/jobs")
    assert closed["security"] == [KEY_AND_CLIENT]
    assert {"401", "403"} <= closed["responses"].keys()


def test_statuses_follow_from_what_is_declared(content):
    assert list(operation(content, "POST", "/job")["responses"]) == (
        ["200", "400", "401", "403", "413", "415", "422", "429", "500", "503"]
    )
    assert list(operation(content, "GET", "/jobs/{job_id}")["responses"]) == (
        ["200", "400", "401", "404", "421", "429", "500", "503"]
    )
    assert list(operation(content, "GET", "/livez")["responses"]) == ["200", "500"]


def test_every_common_workflow_is_in_it(content):
    names = {workflow.name for workflow in BUILT_IN.all()}
    schemas = content["components"]["schemas"]
    assert {f"workflow_{name}" for name in names} <= schemas.keys()
    tied = schemas["AnyWorkflow"]["anyOf"]
    assert {each["description"] for each in tied[:-1]} == names


def whole(content, name):
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": content["components"]}
    )


@pytest.mark.parametrize(
    ("parameters", "job", "valid"),
    [
        ({"content_id": "a", "folder": "b"}, {}, True),
        ({"content_id": "a", "folder": "b", "cpix": "TRUE"}, {"priority": "3"}, True),
        ({"content_id": "a", "folder": "b", "cpix": None}, {"top_of_queue": "false"}, True),
        ({"content_id": "a", "folder": "b", "unknown": 1}, {"run_at": ""}, True),
        ({"content_id": "a"}, {}, False),
        ({"content_id": "a", "folder": ".."}, {}, False),
        ({"content_id": "a", "folder": "b", "cpix": "maybe"}, {}, False),
        ({"content_id": "a", "folder": "b"}, {"priority": 11}, False),
        ({"content_id": "a", "folder": "b"}, {"priority": "11"}, False),
    ],
)
def test_a_submission_is_described_by_its_workflow(content, parameters, job, valid):
    submission = {"parameters": parameters, "job": {"workflow": "drmswitch", **job}}
    assert whole(content, "Submission").is_valid(submission) is valid


@pytest.mark.parametrize(
    ("keys", "valid"),
    [
        ({"key_id": "0" * 32, "content_key": "1" * 32}, True),
        ({"key_id": "0" * 32}, False),
        ({"key_id": "0" * 32, "content_key": None}, False),
        ({"key_id": None}, True),
        ({"seed": "A" * 40, "key_id": None}, True),
        ({"seed": "A" * 40, "content_key": "1" * 32}, False),
    ],
)
def test_a_null_is_no_member_in_conditions_too(content, keys, valid):
    clip = {"source": "http://a.example/live.m3u8", **keys}
    parameters = {"content_id": "a", "output_folder": "b", "clips": [clip]}
    assert whole(content, "workflow_vodcapture").is_valid(parameters) is valid


def test_a_workflow_of_one_client_is_not_told():
    own = replace(BUILT_IN.find("a", "noop"), name="own", client="a")
    library = Library({**BUILT_IN.workflows, ("a", "own"): own})
    made = Documentation(idle_services(), routes()).content(library)
    assert "workflow_noop" in made["components"]["schemas"]
    assert "workflow_own" not in made["components"]["schemas"]


def test_defaults_that_are_templates_are_told_in_words():
    schema = {"properties": {"a": {"type": "boolean", "default": "{{ b | default(true) }}"}}}
    made = parameters_of(schema, "#/x")["properties"]["a"]
    assert "default" not in made
    assert made["description"] == "Default: `{{ b | default(true) }}`."


def test_local_references_follow_the_schema():
    schema = {"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "integer"}}}
    made = parameters_of(schema, "#/components/schemas/w")
    assert {"$ref": "#/components/schemas/w/$defs/b"} in made["properties"]["a"]["anyOf"]


@pytest.mark.parametrize(
    ("schema", "text", "valid"),
    [
        ({"type": "integer"}, "-12", True),
        ({"type": "integer"}, "1.5", False),
        ({"type": "integer", "minimum": 0}, "-1", False),
        ({"type": "number"}, "1.5", True),
        ({"type": "number", "exclusiveMinimum": 0}, "0", False),
        ({"type": "integer", "maximum": 100}, "101", False),
        ({"type": "boolean"}, "False", True),
        ({"type": "boolean"}, "0", False),
        ({"type": ["integer", "boolean"]}, "true", True),
        ({"type": "object"}, "{}", False),
    ],
)
def test_values_may_come_as_texts(schema, text, valid):
    made = parameters_of({"properties": {"a": schema}}, "#/x")
    assert Draft202012Validator(made).is_valid({"a": text}) is valid


def test_case_aware_patterns_are_spelt_out():
    schema = {"properties": {"a": {"type": "string", "pattern": r"(?i)\.(m4a|[xy]b\d)$"}}}
    made = parameters_of(schema, "#/x")["properties"]["a"]["pattern"]
    assert made == r"\.([mM]4[aA]|[xy][bB]\d)$"


PAGE = ("/docs", "/docs/page.js", "/docs/page.css")


@pytest.mark.parametrize("path", PAGE)
async def test_the_page_loads_nothing_from_elsewhere(api, path):
    answer = await api.request("GET", path)
    text = (await answer.get_data()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert not re.findall(r"https?://|//[a-z]+\.", text)
    assert not re.findall(r"<style|\son\w+=|\sstyle=|<script>|innerHTML|eval\(", text)


async def test_the_page_is_small(api):
    sizes = [len(await (await api.request("GET", path)).get_data()) for path in PAGE]
    assert sum(sizes) < 15_000


async def test_a_reload_of_the_workflows_changes_the_document():
    libraries = [BUILT_IN, Library()]
    documentation = Documentation(replace(idle_services(), library=lambda: libraries[0]), routes())
    before = await documentation.read()
    assert b"workflow_noop" in await before.get_data()
    del libraries[0]
    assert b"workflow_noop" not in await (await documentation.read()).get_data()
