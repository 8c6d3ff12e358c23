import pytest

from taskengine.store.postgres import open_postgres
from tests.contract.promises import StoreContract
from tests.contract.recount import assert_counters_are_true


class TestPostgresStore(StoreContract):
    @pytest.fixture
    async def store(self, postgres_store, request):
        """Whatever a test did, the counters are those of a recount."""
        test = getattr(request.cls, request.node.originalname)
        cleared = test.__module__ == "tests.contract.clearing"
        yield postgres_store
        await assert_counters_are_true(postgres_store, cleared=cleared)

    @pytest.fixture
    async def twin(self, postgres_store, database_url):
        async with open_postgres(database_url, connections=1) as twin:
            yield twin
