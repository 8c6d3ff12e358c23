"""Promises of clients, settings and wake-ups."""

from contextlib import aclosing
from datetime import timedelta

import pytest
import trio

from taskengine.api_keys import rotated
from taskengine.model import BadInput, Client
from taskengine.policy import MAX_OWN_SETTINGS, SYSTEM
from taskengine.testing.times import NOON


class Clients:
    async def test_a_client_is_kept_and_replaced(self, world):
        client = Client("gamma", "secret", admin=True, options={"root": "/ü", "n": [1]})
        assert await world.store.put_client(client)
        assert await world.store.client("gamma") == client
        other = Client("gamma", "other")
        assert await world.store.put_client(other)
        assert [one.name for one in await world.store.clients()] == ["acme", "beta", "gamma"]
        assert await world.store.client("gamma") == other

    async def test_a_key_that_was_replaced_is_kept_with_its_time(self, world):
        until = NOON + timedelta(days=1, microseconds=7)
        client = rotated(Client("acme", "first"), "second", until)
        await world.store.put_client(client)
        [acme] = [one for one in await world.store.clients() if one.name == "acme"]
        assert acme == client == await world.store.client("acme")
        assert (acme.former_key_hash, acme.former_until) == ("first", until)

    async def test_clients_are_found_by_their_names(self, world):
        named = await world.store.clients_named(["beta", "nobody", "acme"])
        assert sorted(one.name for one in named) == ["acme", "beta"]
        assert named[0] == await world.store.client(named[0].name)

    async def test_a_removed_client_is_unknown(self, world):
        assert await world.store.remove_client("beta")
        assert not await world.store.remove_client("beta")
        assert await world.store.client("beta") is None

    async def test_the_bootstrap_client_is_made_only_where_there_is_none(self, store):
        first, second = Client("first", "x", admin=True), Client("second", "y", admin=True)
        assert await store.put_client(first, bootstrap=True)
        assert not await store.put_client(second, bootstrap=True)
        assert await store.clients() == [first]

    async def test_of_clients_made_at_once_with_one_name_there_is_one(self, world, store):
        made = []

        async def make(key):
            if await store.put_client(Client("gamma", key), new=True):
                made.append(key)

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(make, str(number))
        [key] = made
        gamma = await store.client("gamma")
        assert gamma is not None
        assert gamma.key_hash == key

    async def test_settings_belong_to_their_scope(self, world):
        await world.store.put_setting("acme", "colour", "blue")
        await world.store.put_setting("acme", "colour", "green")
        assert await world.store.settings("acme") == {"colour": "green"}
        assert await world.store.settings(SYSTEM) == {"max_jobs": "100"}
        assert await world.store.settings("nobody") == {}
        several = await world.store.settings_by_client(["acme", SYSTEM, "nobody"])
        assert several == {"acme": {"colour": "green"}, SYSTEM: {"max_jobs": "100"}}

    async def test_a_client_may_make_up_so_many_settings(self, world):
        for number in range(MAX_OWN_SETTINGS):
            await world.store.put_setting("acme", f"own {number}", "x" * 10_000)
        with pytest.raises(BadInput, match="name: there may be 100 settings"):
            await world.store.put_setting("acme", "one more", "x")
        await world.store.put_setting("acme", "own 7", "changed")
        await world.store.put_setting("acme", "max_jobs", "3")
        await world.store.put_setting("beta", "one more", "x")
        assert len(await world.store.settings("acme")) == MAX_OWN_SETTINGS + 1

    async def test_what_is_made_at_once_is_counted_together(self, world, twin):
        for number in range(MAX_OWN_SETTINGS - 1):
            await world.store.put_setting("acme", f"own {number}", "x")
        refused = []

        async def put(store, name):
            try:
                await store.put_setting("acme", name, "x")
            except BadInput as error:
                refused.append(error)

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(put, (world.store, twin)[number % 2], f"another {number}")
        assert len(refused) == 3

    async def test_what_is_announced_is_heard(self, world, twin):
        heard = []

        async def listen() -> None:
            async with aclosing(twin.listen()) as topics:
                async for topic in topics:
                    heard.append(topic)
                    if len(heard) >= 2:
                        return

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                while len(heard) < 2:  # the notifier may not be there yet
                    await world.store.announce(["work"])
                    await trio.sleep(0.02)
        assert set(heard) == {"work"}
