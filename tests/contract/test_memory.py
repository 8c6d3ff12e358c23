import pytest

from tests.contract.promises import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    async def store(self, memory_store):
        return memory_store

    @pytest.fixture
    async def twin(self, memory_store):
        return memory_store
