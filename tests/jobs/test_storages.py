"""Storages of a submission: refused before any work where they are not configured."""

from __future__ import annotations

import pytest

from taskengine.actions import find_actions
from taskengine.configuration import builtin_workflows
from taskengine.jobs.storages import FORMAT, prepare_for
from taskengine.model import BadInput
from taskengine.workflows.library import load

SCHEMA = {
    "type": "object",
    "properties": {
        "source_storage": {
            "type": "string",
            "format": "storage",
            "default": "{{ client.storage }}",
        },
        "destination_storage": {
            "type": "string",
            "format": "storage",
            "default": "{{ source_storage }}",
        },
    },
}


def prepared(given, default="local", storages=("local", "S3")):
    return prepare_for(storages, SCHEMA, given, {"client": {"storage": default}}).values


def test_storages_that_are_configured_are_taken_in_any_case_of_letters():
    assert prepared({"source_storage": "s3"}) == {
        "source_storage": "S3",
        "destination_storage": "S3",
    }


def test_a_storage_that_is_not_configured_is_refused():
    with pytest.raises(BadInput) as refused:
        prepared({"destination_storage": "azure_blob"})
    assert str(refused.value) == (
        "parameters.destination_storage: expected a storage that is configured here, local, S3, "
        'got "azure_blob"'
    )


def test_a_default_that_is_not_configured_is_refused_as_well():
    with pytest.raises(BadInput, match=r'source_storage: expected .*, got "S3"; .*destination_st'):
        prepared({}, default="S3", storages=("local",))


def test_every_parameter_of_a_workflow_that_names_a_storage_says_so():
    library = load([builtin_workflows()], find_actions())
    untold = [
        (workflow.name, name)
        for workflow in library.all()
        for name, about in workflow.parameters.get("properties", {}).items()
        if name.endswith("_storage") and about.get("format") != FORMAT
    ]
    assert untold == []
