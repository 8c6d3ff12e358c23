"""All that a store promises, whichever it is."""

import pytest

from taskengine.store import Store
from taskengine.testing.contract.admissions import Admissions
from taskengine.testing.contract.bulk import Bulk
from taskengine.testing.contract.callbacks import Callbacks
from taskengine.testing.contract.cascades import Cascades
from taskengine.testing.contract.change_feed import ChangeFeed
from taskengine.testing.contract.claims import Claims
from taskengine.testing.contract.clients import Clients
from taskengine.testing.contract.dependencies import Dependencies
from taskengine.testing.contract.documents import Documents
from taskengine.testing.contract.explanations import Explanations
from taskengine.testing.contract.failures import Failures
from taskengine.testing.contract.forecasts import Forecasts
from taskengine.testing.contract.gates import Gates
from taskengine.testing.contract.idempotency import Idempotency
from taskengine.testing.contract.lists import Lists
from taskengine.testing.contract.log_length import LogLength
from taskengine.testing.contract.long_workflows import LongWorkflows
from taskengine.testing.contract.overviews import Overviews
from taskengine.testing.contract.pages import Pages
from taskengine.testing.contract.pauses import Pauses
from taskengine.testing.contract.records import Records
from taskengine.testing.contract.replays import Replays
from taskengine.testing.contract.rescues import Rescues
from taskengine.testing.contract.retention import Retention
from taskengine.testing.contract.retries import Retries
from taskengine.testing.contract.schedules import Schedules
from taskengine.testing.contract.shares import Shares
from taskengine.testing.contract.stalls import Stalls
from taskengine.testing.contract.submissions import Submissions
from taskengine.testing.contract.updates import Updates
from taskengine.testing.contract.world import World


class StoreContract(
    Submissions,
    Idempotency,
    Admissions,
    Shares,
    Pauses,
    Claims,
    Records,
    LogLength,
    Failures,
    Rescues,
    Callbacks,
    Replays,
    Lists,
    Pages,
    Overviews,
    Clients,
    Updates,
    Explanations,
    Forecasts,
    Dependencies,
    Retries,
    Bulk,
    Cascades,
    Stalls,
    LongWorkflows,
    ChangeFeed,
    Gates,
    Schedules,
    Retention,
    Documents,
):
    """The class of each store gives `store`, and `twin`: another instance's view of it."""

    @pytest.fixture
    async def world(self, store: Store) -> World:
        """The store with two clients, room for many jobs, and an instance."""
        return await World(store).settle()
