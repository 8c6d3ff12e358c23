"""Types of storages: those of installed packages, and the tables of all of them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr

from taskengine import plugins
from taskengine.configuration import Configuration, read_configuration
from taskengine.model import Misconfigured
from taskengine.plugins import BrokenPlugin
from taskengine.storage.local import LocalStorage
from taskengine.storage.settings import GROUP, RootedSettings, find_storage_types, secret_values


class TapeSettings(RootedSettings):
    label: ClassVar[str] = "tape"
    drive: str | None = Field(None, description="the device")
    pin: SecretStr | None = Field(None, description="opens the robot")

    @property
    def is_configured(self):
        return self.drive is not None

    def open(self, data):
        return LocalStorage([data / root for root in self.all_roots()])


@pytest.fixture
def plug_in(monkeypatch):
    """Have an installed package offer something as a storage."""

    def plug_in(offered):
        module = ModuleType("plugged_in")
        module.offered = offered
        monkeypatch.setitem(sys.modules, "plugged_in", module)
        entry = EntryPoint("mine", "plugged_in:offered", GROUP)
        monkeypatch.setattr(plugins, "entry_points", lambda group: [entry])

    return plug_in


def test_the_built_in_types_are_found():
    assert list(find_storage_types()) == ["local", "S3", "azure_blob"]


def test_a_package_brings_a_type_of_its_own(plug_in):
    plug_in(TapeSettings)
    assert find_storage_types()["tape"] is TapeSettings


@pytest.mark.parametrize(
    ("offered", "told"),
    [
        (LocalStorage, "expected a subclass of StorageSettings"),
        (type("Odd", (TapeSettings,), {"label": "a-b"}), "expected a label of letters"),
        (type("Odd", (TapeSettings,), {"label": "default"}), "expected a label of letters"),
    ],
)
def test_what_is_no_type_of_storage_is_named(plug_in, offered, told):
    plug_in(offered)
    with pytest.raises(BrokenPlugin, match=f"the plug-in mine .*{told}"):
        find_storage_types()


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A configuration of variables and a file."""

    def given(text="", **variables):
        (tmp_path / "te.toml").write_text(text)
        monkeypatch.setenv("TASKENGINE_CONFIG", str(tmp_path / "te.toml"))
        for name, value in variables.items():
            monkeypatch.setenv(f"TASKENGINE_STORAGE_{name.upper()}", value)
        return read_configuration()

    return given


def test_a_storage_is_configured_by_file_and_environment(given):
    text = "[storage.S3]\nbucket = 'films'\noutput_root = '/content/vod/'\n"
    read = given(text, s3_access_key_id="me", s3_secret_access_key="s3cr3t-s3cr3t")
    assert list(read.storages) == ["local", "S3"]
    table = read.storages["S3"]
    assert table.roots(read.data_dir) == {"input_root": "input", "output_root": "content/vod"}
    assert list(secret_values(table)) == ["s3cr3t-s3cr3t"]
    assert "s3cr3t" not in repr(read)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[storage.S3]\nregion = 'x'", "storage.S3: expected a bucket beside the other settings"),
        (
            "[storage.S3]\nbucket = 'b'\nsecret_access_key = 's3cr3t-s3cr3t'",
            "storage.S3: expected both access_key_id and secret_access_key, or none of them",
        ),
        ("[storage.S3]\nbucket = 'b'\nsecret_access_key = 3", "storage.S3.secret_access_key: exp"),
        ("[storage.S3]\nbucket = 'b'\ninput_root = '../x'", "storage.S3.input_root: expected a fo"),
        (
            "[storage.azure_blob]\naccount = 'a'",
            "storage.azure_blob: expected both account and container beside the other settings",
        ),
        (
            "[storage.azure_blob]\naccount = 'a'\ncontainer = 'c'\naccount_key = 'k'\n"
            "sas_token = 's3cr3t'",
            "storage.azure_blob: expected account_key or sas_token, not both",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_told_without_its_secrets(given, text, told):
    with pytest.raises(Misconfigured) as wrong:
        given(text)
    assert told in str(wrong.value)
    assert "s3cr3t" not in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("workspace = 's3'", "storage.workspace: the storage S3 is not configured"),
        (
            "workspace = 'S3'\n[storage.S3]\nbucket = 'b'\ninput_root = ''",
            "storage.S3.workspace_root: expected a folder outside of the roots",
        ),
    ],
)
def test_workspaces_lie_where_engines_reach_them_and_clients_do_not(given, text, told):
    read = given(f"[storage]\n{text}")
    with pytest.raises(Misconfigured, match=told):
        _ = read.workspace_storage


def test_secrets_are_no_options_of_a_command():
    from taskengine.cli.configuration import configuration_options

    names = {option.opts[0] for option in configuration_options()}
    assert "--storage-s3-bucket" in names
    assert "--storage-s3-secret-access-key" not in names
    assert "--storage-azure-blob-account-key" not in names
    assert Configuration().storages.keys() == {"local"}


def test_an_engine_without_object_storages_does_not_load_what_they_alone_need():
    """They are among the types that the configuration knows, whether they are used or not."""
    code = (
        "import sys, taskengine.main; from taskengine.actions import find_actions; find_actions();"
        " print('obstore' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
