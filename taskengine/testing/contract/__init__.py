"""What every store promises, as tests: a class to inherit from, a module for each subject.

    class TestMyStore(StoreContract):
        @pytest.fixture
        async def store(self): ...  # empty, with its schema

        @pytest.fixture
        async def twin(self): ...  # another instance's view of the same

They are async tests of pytest-trio (`trio_mode = true`).
"""

import pkgutil

import pytest

MODULES = [f"{__name__}.{one.name}" for one in pkgutil.iter_modules(__path__)]
pytest.register_assert_rewrite(*MODULES)

from taskengine.testing.contract.store import StoreContract  # noqa: E402 - rewritten from here on

__all__ = ["StoreContract"]
