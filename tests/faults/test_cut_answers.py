"""Answers that are lost after their commits, 20 a second (rule 4)."""

from __future__ import annotations

from functools import partial

import trio

from tests.faults.load import Load, check_counters, rows, until_ended
from tests.support.serving import serving

LEASE = 5
CUTS = 80
KNOWN = 30.0  # seconds after which nobody works unknown to its holder (correctness.md)
STUCK_OR_REPEATED = """\
select id from tasks where state = 2 or failures > 0 or rescues > 0"""


async def test_nothing_is_lost_or_doubled_while_answers_are_cut(tmp_path, proxy, direct_url):
    """Also not for clients without an Idempotency-Key, which submit again after each 503."""
    given = {"database_url": proxy.own_url, "redis_url": "none", "lease": LEASE}
    load = Load()
    async with (
        serving(tmp_path / "var", name="one", **given) as (_, one),
        serving(tmp_path / "var", name="two", **given) as (_, two),
    ):
        await one.post("/settings", json={"name": "max_jobs", "setting": "30"})
        proxy.cut(per_second=20)
        for client in (one, two):
            await load.submit(client, "sleep", seconds=CUTS / 20)

        def enough():
            return proxy.cuts >= CUTS

        async with trio.open_nursery() as clients:
            for _ in range(3):
                clients.start_soon(load.run, one, enough)
                clients.start_soon(load.run, two, enough)
            clients.start_soon(partial(load.run, one, enough, name="first"))
            clients.start_soon(partial(load.run, two, enough, name="second"))
        proxy.cut(per_second=None)
        await until_ended(direct_url, KNOWN)
        await load.check(direct_url)
        assert await rows(direct_url, STUCK_OR_REPEATED) == []
        await check_counters(direct_url)
