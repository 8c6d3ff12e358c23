import pytest

from taskengine.testing.contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    async def store(self, memory_store):
        return memory_store

    @pytest.fixture
    async def twin(self, memory_store):
        return memory_store
