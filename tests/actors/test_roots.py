"""Where a client's root keys lead, while there is a client and once it was removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from taskengine.actions.environment import ActionEnvironment
from taskengine.model import BadInput, Client
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from taskengine.testing.actions import fake_context
from taskengine.workflows.scope import client_scope

OWN = {"roots": {"output_root": "/out/other"}}


@pytest.fixture
def lead(tmp_path):
    """Where `output_root` leads, by an attempt's options and client scope."""
    local = LocalStorage([tmp_path])
    lent = ActionEnvironment(
        scratch=Path(),
        storages={"local": local},
        roots={"local": {"output_root": "/out"}},
        workspaces=Folder(local, "", ""),
        keys=None,
        http=None,
        unverified=None,
    )
    attempt = fake_context(tmp_path)[0].attempt
    return lambda options, client_scope: lent.roots_of(
        replace(attempt, options=options, client_scope=client_scope)
    )


def test_a_clients_own_roots_go_before_the_common_ones(lead):
    assert lead({}, {})("local", "output_root").root == "/out"
    assert lead(OWN, {})("LOCAL", "output_root").root == "/out/other"
    with pytest.raises(BadInput, match="no folder is configured for the key 'other_root'"):
        lead(OWN, {})("local", "other_root")


def test_roots_that_were_changed_hold_for_jobs_that_are_there(lead):
    assert lead({}, OWN)("local", "output_root").root == "/out"


def test_a_removed_clients_jobs_keep_its_roots(lead):
    """On the common ones they would reach everybody's files."""
    scope = client_scope(Client("other", "hash", options=OWN), "local")
    assert lead(None, scope)("local", "output_root").root == "/out/other"
    assert (
        lead(None, client_scope(Client("acme", "h"), "S3"))("local", "output_root").root == "/out"
    )
