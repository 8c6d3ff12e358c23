"""Folders that the engine makes, and those that were there."""

from __future__ import annotations

import os
from stat import S_IMODE

import pytest

from taskengine.runtime.folders import make_data_folder, make_private


def mode(folder):
    return S_IMODE(folder.stat().st_mode)


@pytest.fixture(autouse=True)
def loose():
    before = os.umask(0)
    yield
    os.umask(before)


def test_what_is_made_is_private_and_what_was_there_keeps_its_rights(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "shared").mkdir(0o775)
    for _ in range(2):
        make_private(tmp_path / "a" / "b")
        make_private(tmp_path / "shared" / "c")
    modes = [mode(tmp_path / name) for name in (".", "a", "a/b", "shared", "shared/c")]
    assert modes == [0o755, 0o700, 0o700, 0o775, 0o700]


@pytest.mark.parametrize(("user", "expected"), [(0, 0o711), (1000, 0o700)])
def test_the_databases_user_gets_through_the_data_of_root(tmp_path, monkeypatch, user, expected):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    make_data_folder(tmp_path / "var")
    assert mode(tmp_path / "var") == expected
