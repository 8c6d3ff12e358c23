"""What the role may do while others wait for it (rule 7)."""

import pytest
import trio_asyncio

from taskengine.store.postgres import open_postgres
from taskengine.store.postgres.migrate import upgrade
from tests.conftest import fresh_database
from tests.contract.recount import fetch

LEASE = 15  # seconds, the default
EXPECTED = {
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "1s",
    "statement_timeout": "5s",
    "client_connection_check_interval": "500ms",
    "tcp_user_timeout": "10000",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "synchronous_commit": "on",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}
SHOWN = "select name, current_setting(name) from unnest($1::text[]) as name"


@pytest.fixture
def database_url(postgres_server):
    """Of its own: what commits to the kept one does not wait for the disk."""
    with fresh_database(postgres_server) as url:
        yield url


async def test_every_connection_has_the_limits(postgres_store):
    """No lock outlives a lease. They are the role's, so that they hold behind a pooler too."""
    assert dict(await fetch(postgres_store, SHOWN, list(EXPECTED))) == EXPECTED


async def test_an_upgrade_sets_them_and_tells_nobody(database_url, caplog):
    async with trio_asyncio.open_loop(), open_postgres(database_url) as store:
        for name in EXPECTED:
            await fetch(
                store, f"alter role current_user in database {database(database_url)} reset {name}"
            )
        await upgrade(database_url)
        assert caplog.text == ""
    async with trio_asyncio.open_loop(), open_postgres(database_url) as store:
        assert dict(await fetch(store, SHOWN, list(EXPECTED))) == EXPECTED


def database(url):
    return url.rpartition("/")[2]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("lock_timeout", "7s", "1s"),
        ("synchronous_commit", "off", "on"),
        ("tcp_user_timeout", "60000", "10000"),
        ("tcp_keepalives_idle", "7200", "5"),
    ],
)
async def test_what_overrides_a_limit_is_told_of_at_the_start(
    database_url, caplog, name, value, wanted
):
    """As a pooler may, or the URL."""
    async with trio_asyncio.open_loop():
        await upgrade(f"{database_url}?{name}={value}")
    [line] = caplog.messages
    assert line == f"{name} is {value} on the database, expected {wanted}"
