"""What every store and every storage promises, as tests: a class to inherit from for each. That of
stores has a module for each subject.

    class TestMyStore(StoreContract):
        @pytest.fixture
        async def store(self): ...  # empty, with its schema

        @pytest.fixture
        async def twin(self): ...  # another instance's view of the same

    class TestMyStorage(StorageContract):
        @pytest.fixture
        async def storage(self): ...  # empty

        @pytest.fixture
        def root(self): ...  # one of its roots

They are async tests of pytest-trio (`trio_mode = true`).
"""

import pkgutil

import pytest

MODULES = [f"{__name__}.{one.name}" for one in pkgutil.iter_modules(__path__)]
pytest.register_assert_rewrite(*MODULES)

from taskengine.testing.contract.storages import StorageContract  # noqa: E402 - rewritten by now
from taskengine.testing.contract.store import StoreContract  # noqa: E402

__all__ = ["StorageContract", "StoreContract"]
