"""Which folders clients have, and that no two of them have one."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from taskengine.cli.clients import make_client
from taskengine.model import BadInput, Client
from taskengine.storage.roots import (
    folder_name,
    is_foreign,
    on_the_same_roots,
    own_roots,
    roots_on,
    warn_of_common_roots,
)
from taskengine.store.memory import MemoryStore

COMMON = {"input_root": "/in", "output_root": "/out"}


@pytest.mark.parametrize(
    ("client", "folder"),
    [
        ("acme", "acme"),
        ("acme-2_b.tv", "acme-2_b.tv"),
        ("Acme", "~41cme"),
        ("a b", "a~20b"),
        ("..", "~2e~2e"),
        (".a", "~2ea"),
        ("a.", "a~2e"),
        ("a/../b", "a~2f..~2fb"),
        ("a~20b", "a~7e20b"),
        ("é", "~c3~a9"),
        ("e\u0301", "e~cc~81"),
        ("a\\b", "a~5cb"),
    ],
)
def test_a_name_that_is_unsafe_as_a_folder_is_encoded(client, folder):
    assert folder_name(client) == folder


def test_a_long_name_keeps_its_beginning():
    long, longer = folder_name("Ä" * 99), folder_name("Ä" * 100)
    assert long != longer
    assert long.startswith("~c3~84")
    assert max(len(long), len(longer)) < 255


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_two_clients_have_one_folder(one, other):
    names = [unicodedata.normalize("NFKC", folder_name(name)).casefold() for name in (one, other)]
    assert (names[0] == names[1]) is (one == other)
    for name in names:
        assert len(PurePosixPath("/root", name).parts) == 3
        assert name not in ("", ".", "..")
        assert name.isascii()
        assert name.isprintable()


async def test_every_client_but_the_first_has_roots_of_its_own():
    store = MemoryStore()
    made = [
        await make_client(store, Client(name, "hash"), own_roots(name, COMMON))
        for name in ("acme", "other", "Third")
    ]
    assert [(one.admin, one.options) for one in made] == [
        (True, {}),
        (False, {"roots": {"input_root": "/in/other", "output_root": "/out/other"}}),
        (False, {"roots": {"input_root": "/in/~54hird", "output_root": "/out/~54hird"}}),
    ]
    assert list(await store.clients()) == sorted(made, key=lambda one: one.name)
    with pytest.raises(BadInput, match="there is a client other already"):
        await make_client(store, Client("other", "hash"), {})


def client(name, **roots):
    return Client(name, "hash", options={"roots": roots} if roots else {})


def test_clients_on_common_roots_are_named_at_the_start(caplog):
    alone = [client("acme"), client("other", input_root="/in/other", output_root="/out/other")]
    warn_of_common_roots(alone, COMMON)
    assert caplog.text == ""
    half = client("half", input_root="/in/half")  # it writes where acme does
    twins = [client(name, **dict.fromkeys(COMMON, "/twins")) for name in ("x", "y")]
    assert on_the_same_roots([*alone, half, *twins], COMMON) == ["acme", "half", "x", "y"]
    warn_of_common_roots([*alone, half], COMMON)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "acme, half work in the same folders" in record.getMessage()


@pytest.mark.parametrize(
    ("root", "folder", "foreign"),
    [
        ("/out", "/out/film", False),
        ("/out", "/out/other", True),
        ("/out", "/out/Other/film", True),
        ("/out", "/out/others", False),
        ("/out", "/out/deep", True),  # what it would list and remove
        ("/out", "/out/deep/third/film", True),
        ("/out/other", "/out/other/film", False),
        ("/out/shared", "/out/shared/film", False),  # with one of its users' root: as configured
        ("/out/mine", "/out/mine/film", False),
    ],
)
def test_what_is_below_a_clients_root_may_be_anothers(root, folder, foreign):
    others = [
        client("other", input_root="/in/other", output_root="/out/other"),
        client("third", output_root="/out/deep/third"),
        client("fourth", output_root="/out/shared"),
        client("plain"),
    ]
    if root == "/out/other":
        others = others[1:]
    roots = [one for other in others for one in other.options.get("roots", {}).values()]
    assert is_foreign(root, folder, roots) is foreign


def test_a_folder_that_has_files_already_is_told_of(tmp_path, monkeypatch):
    from taskengine.cli import clients

    monkeypatch.setattr(clients, "in_new_store", lambda work, **_: clients_of(tmp_path))
    (tmp_path / "output" / "film").mkdir(parents=True)
    (tmp_path / "output" / "film" / "old.mp4").touch()
    done = CliRunner().invoke(clients.client, ["add", "film", "--data-dir", str(tmp_path)])
    assert done.exit_code == 0
    assert done.stderr.endswith("/output/film is not empty: what is in there is film's now\n")


def clients_of(folder):
    roots = own_roots("film", {key: str(folder / key.removesuffix("_root")) for key in COMMON})
    return Client("film", "hash", options={"roots": roots})


def test_a_client_with_roots_of_its_own_has_some_on_every_storage():
    common = {"input_root": "incoming", "output_root": ""}
    own = {"roots": {"output_root": "/out/a b", "S3": {"output_root": "elsewhere"}}}
    assert roots_on("azure_blob", "a b", {}, common) == common
    assert roots_on("azure_blob", "a b", own, common) == {
        "input_root": "incoming/a~20b",
        "output_root": "a~20b",
    }
    assert roots_on("S3", "a b", own, common) == {
        "input_root": "incoming/a~20b",
        "output_root": "elsewhere",
    }
    assert roots_on("local", "a b", own, COMMON) == {"input_root": "/in", "output_root": "/out/a b"}
