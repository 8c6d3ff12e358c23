"""Workspaces on a disk that fails, on virtual time."""

import trio

from taskengine.testing.virtual import NoStorage, instance


async def test_workspaces_that_cannot_be_read_end_no_engine(
    memory_store, autojump_clock, monkeypatch, caplog
):
    async def broken(self, prefix):
        await trio.lowlevel.checkpoint()
        raise OSError("Input/output error")

    monkeypatch.setattr(NoStorage, "folders", broken)
    async with instance(memory_store):
        await trio.sleep(3_600)
    assert "cannot be read for now" in caplog.text
    assert "crashed" not in caplog.text
