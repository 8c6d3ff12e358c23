"""`taskengine serve` as a child process, measured from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import trio

from taskengine.model import TaskEngineError

CLIENT = "bench"
KEY = "a-key-for-the-benchmarks-0123456789"
READY = "Task Engine listens on "
STOP_SECONDS = 60.0


class EngineFailed(TaskEngineError):
    """The engine that is measured did not start, or did not end well."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running engine and an HTTP client of it."""

    process: subprocess.Popen[str]
    http: httpx.AsyncClient

    def memory(self, line: str = "VmRSS") -> int:
        """Resident bytes of the process; `VmHWM` for the most that it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        [found] = [text for text in status.splitlines() if text.startswith(f"{line}:")]
        return int(found.split()[1]) * 1024


@asynccontextmanager
async def serving(data: Path, **settings: object) -> AsyncIterator[Served]:
    """An engine for the length of the block, stopped by SIGTERM. Raises EngineFailed."""
    chosen = {"data_dir": data, "bind": "127.0.0.1:0", "bootstrap_client": f"{CLIENT}:{KEY}"}
    chosen |= {"redis_url": "none", "requests_per_second": 0, "drain": 5}
    chosen |= {"outbound_allow": "127.0.0.0/8", **settings}
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TASKENGINE_")}
    named = {f"TASKENGINE_{name.upper()}": str(value) for name, value in chosen.items()}
    command = [sys.executable, "-m", "taskengine", "serve"]
    log = data / "serve.log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            command, env=kept | named, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout is not None
    try:
        line = await trio.to_thread.run_sync(process.stdout.readline)  # ends with the process
        if not line.startswith(READY):
            raise EngineFailed(f"the engine did not start: see {log}")
        url = line.removeprefix(READY).strip()
        headers = {"client": CLIENT, "api-key": KEY}
        client = httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False)
        async with client as http:
            yield Served(process, http)
        process.send_signal(signal.SIGTERM)
        if await trio.to_thread.run_sync(process.wait, STOP_SECONDS) != 0:
            raise EngineFailed(f"the engine ended with {process.returncode}: see {log}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
