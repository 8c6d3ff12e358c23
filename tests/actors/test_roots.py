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
        replace(attempt, options=options, client_scope=client_scope), lent.storages
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


@pytest.fixture
def context(tmp_path):
    """Folders of acme and of other side by side, and the context of a job of other's."""
    roots = {"output_root": str(tmp_path / "out")}
    local = LocalStorage([tmp_path / "out", tmp_path / "jobs"])
    for name in ("out/acme/film", "out/other", "jobs/1", "jobs/2"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "out/acme/film/film.mp4").write_text("acme's")
    environment = ActionEnvironment(
        scratch=tmp_path / "scratch",
        storages={"local": local},
        roots={"local": roots},
        workspaces=Folder(local, str(tmp_path / "jobs"), ""),
        keys=None,
        http=None,
        unverified=None,
    )
    attempt = fake_context(tmp_path)[0].attempt
    attempt = replace(attempt, options={"roots": {"output_root": str(tmp_path / "out/other")}})

    async def nothing(*_):
        pass

    return environment.context_for(
        attempt, lambda: tmp_path, write=nothing, report=nothing, admit=nothing, confirm=nothing
    )


@pytest.mark.parametrize("leads", ["acme", "../jobs/2"])
async def test_a_link_in_a_clients_folder_leads_to_nobody_else(context, tmp_path, leads):
    (tmp_path / "out/other/link").symlink_to(tmp_path / "out" / leads)
    (tmp_path / "out/other/film.mp4").symlink_to("../acme/film/film.mp4")
    (tmp_path / "mine").write_text("other's")
    folder = context.roots("local", "output_root")
    assert await folder.list() == []
    for there in (folder.below("link"), folder.below("link/film")):
        for reaching in (
            there.list(),
            there.has("film.mp4"),
            there.delete("film.mp4"),
            there.put(tmp_path / "mine", "film.mp4"),
            there.clear(),
            there.take(context.workspace, "x"),
        ):
            with pytest.raises(BadInput, match="not within"):
                await reaching
    with pytest.raises(BadInput, match="not within"):
        await folder.fetch("film.mp4", tmp_path / "fetched")
    assert (tmp_path / "out/acme/film/film.mp4").read_text() == "acme's"


async def test_what_a_job_has_made_is_moved_to_its_client(context, tmp_path):
    (tmp_path / "mine").write_text("other's")
    folder = context.roots("local", "output_root")
    await context.workspace.put(tmp_path / "mine", "made")
    assert folder.storage is context.workspace.storage
    await folder.take(context.workspace, "made")
    assert (tmp_path / "out/other/made").read_text() == "other's"


async def test_a_root_that_leads_out_of_the_storage_is_none(context, tmp_path):
    (tmp_path / "beside").mkdir()
    (tmp_path / "out/other").rmdir()
    (tmp_path / "out/other").symlink_to(tmp_path / "beside")
    with pytest.raises(BadInput, match="not within"):
        await context.roots("local", "output_root").list()
