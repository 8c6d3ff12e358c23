"""The app on a real socket keeps to its own document, whatever is sent to it."""

from __future__ import annotations

import json
import os
import re
from contextlib import nullcontext, suppress
from itertools import count

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from taskengine.api.openapi.document import document_path
from taskengine.api.sizes import BATCH_PATH, SMALL_BODY
from taskengine.api.unread import HARMLESS
from taskengine.jobs.clips import check_clips
from taskengine.model import BadInput
from taskengine.store import BEFORE
from tests.api.described import document, routes

SEARCHED = int(os.environ.get("EXAMPLES", 0))  # by `make search`, which tries others each time
EXAMPLES = SEARCHED or 10
KEY = "Idempotency-Key"
CLIPS = {"from": "clips", "start": "start", "end": "end"}  # as vodcapture has them
EMPTY = ("", None, [], {}, [""], [None])  # query values of which nothing is sent
# The tool makes one canonical form of all alternatives, which has no room for every workflow's.
WORKFLOWS = ("drmswitch", "noop", "sleep", "vodcapture", "vodstream")
URLS = ["http://127.0.0.1/", "https://a.example:8443/b?c=d#e", "HTTP://[::1]:1/", "http://u@b.c"]
OPERATIONS = {  # once where several paths or methods are the same call
    id(r.about): (r.method, document_path(r.path))
    for r in routes()
    if r.about is not None and r.path != "/events"  # it has no end; test_events.py reads it
}

schemathesis.openapi.format("uri", st.sampled_from(URLS))


@pytest.fixture(scope="module")
def operations(served_api):
    return operations_at(served_api)


def operations_at(url):
    """The document's operations, as they are called at a URL."""
    content = document()
    schemas = content["components"]["schemas"]
    every = schemas["AnyWorkflow"]["anyOf"]
    schemas["AnyWorkflow"]["anyOf"] = [one for one in every if one["description"] in WORKFLOWS]
    schemas["Switch"]["properties"]["schedule"]["anyOf"].pop()  # nor a schedule
    job = schemas["Submission"]["properties"]["job"]["properties"]
    job["depends_on"] = {"enum": [None, "", [], ["1"], [2, "3"]]}  # the jobs that there are
    config = schemathesis.Config()
    config.projects.default.update(base_url=url)
    return schemathesis.openapi.from_dict(content, config=config)


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        yield session


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), OPERATIONS.values())
def test_answers_are_as_documented(operations, session, api_key, method, path, mode):
    headers = {"client": "demo-client", "api-key": api_key}
    call(operations[path][method], session, headers, mode, EXAMPLES)


def call(operation, session, headers, mode, examples, *unchecked):
    """Send examples to an operation, and compare each answer with the document."""
    # Whether a job may be changed depends on its state besides.
    changes = operation.method.upper() != "GET" and "{" in operation.path
    numbers = count()
    excluded = [*unchecked, *([positive_data_acceptance] if changes else [])]
    if operation.path == BATCH_PATH:  # what is wrong with one of them is told in a 200
        excluded.append(negative_data_rejection)

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples,
        derandomize=not SEARCHED,
        database=None,
        deadline=None,
        suppress_health_check=[*HealthCheck],
    )
    def check(case):
        assume(not is_lenient(case, mode))
        assume(not (mode.is_positive and (is_lost(case.query or {}) or is_backwards(case.body))))
        if mode.is_positive and KEY in (case.headers or {}):  # another body needs another key
            case.headers[KEY] = f"{next(numbers)} {case.headers[KEY]}"[:255]
        case.call_and_validate(session=session, headers=headers, excluded_checks=excluded)

    takes_no_input = nullcontext() if mode.is_positive else suppress(Unsatisfiable)
    with takes_no_input:
        check()


def is_lost(query):
    """What a schema cannot say either: a cursor comes from a Link header, and `before` is a place
    in two orders alone."""
    elsewhere = query.get("order_by", "id") not in BEFORE
    return "cursor" in query or ("before" in query and elsewhere)


def is_backwards(body):
    """Nor can a schema say that a clip begins before its end."""
    parameters = body.get("parameters") if isinstance(body, dict) else None
    clips = parameters.get("clips") if isinstance(parameters, dict) else None
    try:
        check_clips({"clips": clips if isinstance(clips, list) else []}, CLIPS)
    except BadInput:
        return True
    return False


def is_lenient(case, mode):
    """What a schema cannot say: empty query values and nulls are absent, a query parameter without
    a name is none, a number has 64 bits, a time a year from 1 to 9999 in UTC too; and a body that
    is too large is refused for that."""
    query = case.query or {}
    empty = not HARMLESS.isdisjoint(query) or any(value in EMPTY for value in query.values())
    body = json.dumps(case.body, default=str)
    absent = not mode.is_positive and ": null" in body
    large = len(body) > SMALL_BODY
    return empty or absent or large or re.search(r"\d{19}|0001-|9999-", body)
