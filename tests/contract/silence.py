"""A store whose connections a test cuts."""

import asyncio

import pytest
from trio_asyncio import aio_as_trio


@pytest.fixture
async def store(postgres_store):
    """Leaves when the driver has said its last words to connections that were cut or cancelled."""
    yield postgres_store
    await aio_as_trio(_silence)()


async def _silence():
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait(others, timeout=5) if others else None
