"""Every storage keeps the same promises: folders of this machine, a real S3 server, an emulator of
Azure Blob Storage."""

from __future__ import annotations

import pytest

from taskengine.storage.local import LocalStorage
from taskengine.testing.contract import StorageContract


class TestLocalStorage(StorageContract):
    @pytest.fixture
    def root(self, tmp_path):
        (tmp_path / "output").mkdir()
        return str(tmp_path / "output")

    @pytest.fixture
    def storage(self, root):
        return LocalStorage([root])


class ObjectContract(StorageContract):
    @pytest.fixture
    def root(self, place):
        return f"{place}/output"


class TestS3(ObjectContract):
    @pytest.fixture
    async def storage(self, s3_server, settings_on, tmp_path):
        return settings_on(s3_server).open(tmp_path)


class TestAzureBlob(ObjectContract):
    @pytest.fixture
    async def storage(self, azure_server, settings_on, tmp_path):
        return settings_on(azure_server).open(tmp_path)
