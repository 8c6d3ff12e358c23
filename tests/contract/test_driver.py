"""The driver's time limits, and failures in its event loop (rule 23)."""

import asyncio
import logging
import socket
from contextlib import contextmanager

import pytest
import trio
import trio.testing
import trio_asyncio
from trio_asyncio import aio_as_trio

from taskengine.meters import Meters
from taskengine.model import StoreUnavailable
from taskengine.store.postgres import connections, migrate, notify, open_postgres, session
from tests.contract.recount import fetch

LIMIT = 0.2  # seconds, in place of those of the program
MUCH = 3.0  # seconds; without a limit it would be a minute, or for ever
UNBOUND = "select set_config('statement_timeout', '0', false), pg_backend_pid()"


@contextmanager
def silent_server():
    """It takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"postgresql://me:secret@127.0.0.1:{server.getsockname()[1]}/te"


async def test_a_server_that_says_nothing_is_not_connected_to_for_long(monkeypatch):
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT", LIMIT)
    async with trio_asyncio.open_loop():
        with silent_server() as url:
            async with open_postgres(url) as store:
                for pool in (store.pool, store.apart().pool):
                    with trio.fail_after(MUCH), pytest.raises(StoreUnavailable):
                        await pool.run(lambda one: one.execute("select 1"))
                with trio.fail_after(MUCH), pytest.raises(StoreUnavailable):
                    await anext(store.listen())


async def test_a_database_that_is_to_be_upgraded_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr(migrate, "CONNECT_TIMEOUT", LIMIT)
    async with trio_asyncio.open_loop():
        with silent_server() as url, trio.fail_after(MUCH), pytest.raises(StoreUnavailable):
            await migrate.upgrade(url)


async def test_no_statement_is_waited_for_without_end(database_url, monkeypatch):
    """Even where the server's own limit fails, on connections of all kinds."""
    monkeypatch.setattr(connections, "COMMAND_TIMEOUT", LIMIT)
    async with trio_asyncio.open_loop(), open_postgres(database_url, connections=1) as store:
        for pool in (store.pool, store.apart().pool):
            first = await pool.run(lambda one: one.fetch(UNBOUND))
            with trio.fail_after(MUCH), pytest.raises(StoreUnavailable):
                await pool.run(lambda one: one.execute("select pg_sleep(60)"))
            assert await pool.run(lambda one: one.fetch(UNBOUND)) != first


def fail():
    raise ZeroDivisionError("in a callback of the loop")


async def test_what_fails_in_the_event_loop_is_logged_and_counted_and_ends_nothing(
    database_url, caplog
):
    meters = Meters()
    async with trio_asyncio.open_loop(), open_postgres(database_url, meters=meters) as store:

        async def plant():
            asyncio.get_running_loop().call_soon(fail)

        await aio_as_trio(plant)()
        await trio.testing.wait_all_tasks_blocked()
        assert await fetch(store, "select 1") == [(1,)]
    [line] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "in a callback of the loop" in str(line.exc_info[1])
    labels = {"operation": "connection"}
    assert meters.registry.get_sample_value("taskengine_store_errors_total", labels) == 1


async def test_whatever_is_heard_the_driver_is_not_told_of_a_failure():
    """Its callback runs in the event loop: more than there is room for, and after the end."""
    ears = notify._Ears(lambda: 7)
    payloads = ["7:work", "8:work", "8:stop", "", ":", "no colon", f"{ears.token}:trial", "\ud800"]
    for payload in payloads * 3:
        ears.hear(None, 1, notify.CHANNEL, payload)
    assert set(ears.heard()) == {"work", "stop"}
    ears._receive.close()
    ears.hear(None, 1, notify.CHANNEL, "8:work")


async def test_what_an_array_consists_of_is_asked_once_for_all_sessions(database_url, monkeypatch):
    """By each session it was most of the work after an outage."""
    monkeypatch.setattr(session, "_known", {})
    asked, ask = [], session.asyncpg.Connection._introspect_types

    async def counted(self, *given):
        asked.append(given)
        return await ask(self, *given)

    monkeypatch.setattr(session.asyncpg.Connection, "_introspect_types", counted)
    async with trio_asyncio.open_loop(), open_postgres(database_url, connections=1) as store:
        for pool in (store.pool, store.apart().pool):
            for value in ([1, None], [2**40]):
                sql = "select $1::bigint[] as value, null::text[] as none"
                [row] = await pool.run(lambda one, sql=sql, given=value: one.fetch(sql, given))
                assert (row["value"], row["none"]) == (value, None)
    assert len(asked) == 1
