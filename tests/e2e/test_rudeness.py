"""A real engine and rude clients: floods of connections with few descriptors, and signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from tests.support.engines import SERVE, environment, processes_of
from tests.support.serving import ended_job, post_job, serving

BEGINNING = b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "
PIPELINED = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 40
SOON = 5.0  # seconds; on a machine of its own 0.1


@contextmanager
def flood(url, beginnings, readers):
    """So many connections with the beginning of a head, and so many that never read."""
    address = (urlsplit(url).hostname, urlsplit(url).port)
    with ExitStack() as stack:
        for number in range(beginnings + readers):
            one = stack.enter_context(socket.socket())
            one.settimeout(30)
            one.connect(address)
            one.setblocking(False)
            try:
                one.send(BEGINNING if number < beginnings else PIPELINED)
            except OSError:  # it had to leave already
                continue
        yield


def descriptors_of(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


@pytest.mark.parametrize(("files", "beginnings"), [(64, 150), (1024, 1100)])
async def test_few_descriptors_and_many_connections(tmp_path, files, beginnings):
    """On the embedded default, with a limit that cannot be raised: the engine serves on, its jobs
    run or fail and are run again, and nothing stays open."""
    async with serving(tmp_path / "var", files=files, drain=0) as (process, client):
        before = descriptors_of(process)
        url = str(client.base_url)
        with flood(url, beginnings, 10 if files < 1024 else 60):
            job = await post_job(client, "noop", content_id="c")
            for _ in range(10):
                with trio.fail_after(SOON):
                    async with httpx.AsyncClient() as other:
                        assert (await other.get(f"{url}/livez")).status_code == 200
            assert (await ended_job(client, job))["queue_state"] == "completed"
            assert descriptors_of(process) <= files
        with trio.fail_after(30):
            while descriptors_of(process) > before + 10:
                await trio.sleep(0.05)
        job = await post_job(client, "noop", content_id="c")
        assert (await ended_job(client, job))["queue_state"] == "completed"


@pytest.mark.parametrize(
    ("number", "seconds"),
    [(signal.SIGTERM, 0.4), (signal.SIGTERM, 1.0), (signal.SIGTERM, 2.0), (signal.SIGINT, 1.5)],
)
async def test_a_stop_while_it_starts_is_a_clean_one(tmp_path, number, seconds):
    """Whatever the start has come to by then."""
    data = tmp_path / "var"
    with (tmp_path / "log").open("w") as log:
        process = starting(data, log)
        await trio.sleep(seconds)
        process.send_signal(number)
        await ended(process)
    assert process.returncode == 0, (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert processes_of(data) == []


async def test_other_signals_are_no_end(tmp_path):
    others = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGPIPE)
    data = tmp_path / "var"
    with (tmp_path / "log").open("w") as log:
        process = starting(data, log)
        await trio.sleep(0.4)
        for number in others:
            process.send_signal(number)
        line = await trio.to_thread.run_sync(process.stdout.readline)
        assert line.startswith("Task Engine listens on")
        for number in others:
            process.send_signal(number)
        url = line.split()[-1]
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/livez")).status_code == 200
        process.send_signal(signal.SIGTERM)
        await ended(process)
    assert process.returncode == 0, (tmp_path / "log").read_text()


def starting(data, log):
    command = [*SERVE, "--bind", "127.0.0.1:0"]
    named = environment(data_dir=data, redis_url="none")
    return subprocess.Popen(command, env=named, stdout=-1, stderr=log, text=True)


async def ended(process):
    with trio.fail_after(60):
        while process.poll() is None:
            await trio.sleep(0.02)
    process.stdout.close()
