"""The measurement from its first step to its last: rounds of ours and of its peers in turns."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import trio_asyncio
from trio_asyncio import aio_as_trio

from bench.serving import serving
from bench.speed import limit
from bench.speed.ours import Bench, Ours, Sizes, receiver, write_workflows
from bench.speed.peers import PEERS, Peer, PeerFigures, measure
from bench.speed.report import Report
from bench.usage import database_meter
from taskengine.embedded.postgres import embedded_postgres
from taskengine.embedded.valkey import embedded_valkey
from taskengine.store.postgres.migrate import upgrade

QUEUES = "work=9,windows_capture=0,callback=1"  # as by default, but for captures
LIMIT_JOBS = 3_000


async def run(
    data: Path,
    environments: Path,
    sizes: Sizes,
    rounds: int,
    told: Callable[[str], None],
    peers: Sequence[Peer] = PEERS,
    database: str | None = None,
) -> Report:
    """So many rounds, each on new databases of one server: that at `database`, whose user may make
    databases, or an embedded one below `data`. Raises PeerFailed."""
    pythons = {}
    for peer in peers:
        told(f"{peer.title}: its environment")
        pythons[peer.name] = peer.environment(environments)
    report = Report(rounds)
    async with trio_asyncio.open_loop(), _server(data, database) as url:
        for number in range(rounds):
            told(f"round {number + 1} of {rounds}: ours")
            report.note_load()
            report.ours.append(await _ours(data / f"round-{number}", url, sizes))
            report.note_load()
            told("the limits")
            with receiver() as port:
                async with _database(url) as own:
                    await upgrade(own)
                    report.limits.append(await limit.measured(own, port, LIMIT_JOBS))
            for peer in peers:
                told(peer.title)
                async with _broker(data, peer, url) as own:
                    figures = await _peer(peer, pythons[peer.name], own, url)
                    report.peers.setdefault(peer.title, []).append((peer, figures))
    return report


async def _peer(peer: Peer, python: Path, own: str, server: str) -> PeerFigures:
    async with database_meter(server if peer.on_valkey else own) as meter:
        return await measure(peer, python, own, meter)


async def _ours(data: Path, url: str, sizes: Sizes) -> Ours:
    given = {"queues": QUEUES, "workflows": write_workflows(data)}
    async with (
        _database(url) as own,
        serving(data, database_url=own, **given) as served,
        database_meter(own) as meter,
    ):
        return await Bench(served, meter).measure(sizes)


@asynccontextmanager
async def _server(data: Path, url: str | None) -> AsyncIterator[str]:
    if url is not None:
        yield url
        return
    async with embedded_postgres(data) as embedded:
        yield embedded


@asynccontextmanager
async def _broker(data: Path, peer: Peer, url: str) -> AsyncIterator[str]:
    """Where a peer keeps its jobs: new for each round."""
    if not peer.on_valkey:
        async with _database(url) as own:
            yield own
        return
    async with embedded_valkey(data) as valkey:
        yield valkey


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[str]:
    """A database of its own on the server, for the length of the block."""
    name = f"bench_{os.urandom(4).hex()}"
    connection = await aio_as_trio(asyncpg.connect)(url)
    try:
        await aio_as_trio(connection.execute)(f"create database {name}")
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        await aio_as_trio(connection.execute)(f"drop database {name} with (force)")
        connection.terminate()
