"""A lack of descriptors: a failed attempt or a wait, never an end. On virtual time."""

import errno
import logging
import os
import subprocess
import sys

import pytest
import trio

from taskengine.embedded import server
from taskengine.runtime.descriptors import for_connections, is_lacking, raise_limit
from taskengine.runtime.supervisor import CrashedTooOften, supervise

EMFILE = OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
async def test_an_actor_that_finds_none_is_started_again_for_as_long(
    number, autojump_clock, caplog
):
    tries = []

    async def child():
        tries.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if len(tries) <= 200:
            raise ExceptionGroup("of a nursery", [OSError(number, "lacking")])

    await supervise(child, name="courier")
    assert len(tries) == 201
    assert tries[-1] == 200
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 4  # one a minute


async def test_another_error_beside_it_is_a_crash(autojump_clock):
    async def child():
        await trio.lowlevel.checkpoint()
        raise ExceptionGroup("of a nursery", [EMFILE, OSError(errno.ENOSPC, "full")])

    with pytest.raises(CrashedTooOften):
        await supervise(child, name="courier")
    assert not is_lacking(OSError(errno.ENOENT, "none"))


async def test_the_keeper_of_a_server_outlives_it(monkeypatch, tmp_path, autojump_clock, caplog):
    """The guard is gone all the time; it is started once there are descriptors again."""
    real, started = server.lock_now, []

    def lock_now(path, mode):
        if trio.current_time() < 60:
            raise EMFILE
        return real(path, mode)

    def start_guard(*_):
        started.append(trio.current_time())
        if trio.current_time() < 120:
            raise EMFILE

    monkeypatch.setattr(server, "lock_now", lock_now)
    monkeypatch.setattr(server, "_start_guard", start_guard)
    with trio.move_on_after(300), caplog.at_level(logging.WARNING):
        await server._keep_guarded("postgres", tmp_path, tmp_path, 1)
    assert 60 <= started[0] < 62
    assert started[-1] > 120
    lacks = [record for record in caplog.records if "again and again" in record.getMessage()]
    assert len(lacks) == 1


def test_what_connections_may_have():
    assert [for_connections(limit) for limit in (64, 128, 1024, 65_536)] == [32, 64, 624, 65_136]


@pytest.mark.parametrize(
    ("soft", "hard", "raised"), [(64, 128, 128), (128, 128, 128), (256, 100_000, 65_536)]
)
def test_the_soft_limit_is_raised_to_the_hard_one(soft, hard, raised):
    import resource

    if hard > resource.getrlimit(resource.RLIMIT_NOFILE)[1]:
        hard = raised = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    code = (
        f"import resource as r; r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}));"
        "from taskengine.runtime.descriptors import raise_limit as up;"
        "print(up(), *r.getrlimit(r.RLIMIT_NOFILE))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == [str(raised), str(raised), str(hard)]
    assert raise_limit() >= 1
