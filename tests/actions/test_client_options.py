"""Options of clients that media workflows read: central rules for tracks, and the key service."""

import pytest

from taskengine.cli.options import changed
from taskengine.media.properties import apply_track_properties
from taskengine.media.tracks import Track
from taskengine.model import Client, Misconfigured
from taskengine.workflows.scope import client_scope
from taskengine.workflows.templates import evaluate
from tests.actions.jobs import workflow

RULES = '{"audio": [{"language": "und", "properties": {"track_description": "Original"}}]}'
URL = "https://keys.example/{content_id}"


def scope(options, **parameters):
    client = client_scope(Client("acme", "hash", options=options), "local")
    return {"client": client, "apply_track_properties": True, **parameters}


def test_the_rules_of_a_client_reach_its_jobs():
    options = changed({}, [f"track_properties={RULES}"])
    given = workflow("vodstream").task("inspect_source").with_["track_properties"]
    rules = evaluate(given, scope(options))
    [track] = apply_track_properties([Track("audio", "a")], *rules)
    assert track.description == "Original"
    assert evaluate(given, {**scope(options), "apply_track_properties": False}) == []


@pytest.mark.parametrize("name", ["vodstream", "drmswitch"])
def test_the_key_service_of_a_client_reaches_its_jobs(name):
    options = changed({}, [f"cpix_url={URL}"])
    for task in workflow(name).tasks:
        for key in {"url", "cpix_url"} & set(task.with_):
            assert evaluate(task.with_[key], scope(options)) == URL
            assert evaluate(task.with_[key], scope({})) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [("track_properties=[]", "expected a JSON object"), ("cpix_url=ftp://a", "http or https URL")],
)
def test_options_that_cannot_be_used_are_refused(change, why):
    with pytest.raises(Misconfigured, match=why):
        changed({}, [change])
