"""What people would pick instead, each in an environment of its own made from PyPI on demand."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from bench.usage import DatabaseMeter
from taskengine.model import TaskEngineError

PROGRAMS = Path(__file__).parent / "programs"
PATIENCE = 300.0  # seconds for a step


class PeerFailed(TaskEngineError):
    """A peer could not be installed, or did not do what it was asked for."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A queue that is measured beside ours: what pip installs, the goal of our ratio to it, and how
    many jobs keep it busy for some seconds."""

    name: str
    title: str
    requirements: Sequence[str]
    goal: float | None
    jobs: int
    on_valkey: bool = False

    def environment(self, folder: Path) -> Path:
        """Its Python; made once for each set of versions. Raises PeerFailed."""
        digest = hashlib.sha256(" ".join(self.requirements).encode()).hexdigest()[:8]
        home = folder / f"{self.name}-{digest}"
        python, ready = home / "bin" / "python", home / "ready"
        if not ready.exists():
            pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            _called(sys.executable, "-m", "venv", "--clear", str(home))
            _called(*pip, *self.requirements)
            ready.touch()
        return python

    async def step(self, python: Path, name: str, url: str, jobs: int) -> Mapping[str, float]:
        """Run a step of its program: the seconds and the CPU seconds that it took."""
        command = [str(python), str(PROGRAMS / f"{self.name}_peer.py"), name, url, str(jobs)]
        call = partial(subprocess.run, command, capture_output=True, text=True, timeout=PATIENCE)
        done = await trio.to_thread.run_sync(call)
        if done.returncode:
            raise PeerFailed(f"{self.title}, {name}: {done.stderr[-2_000:]}")
        return json.loads(done.stdout.splitlines()[-1])


PEERS = (
    Peer("pgqueuer", "PgQueuer, batches of 10", ("pgqueuer==0.25.3", "asyncpg==0.32.0",
         "uvloop==0.23.0"), 0.6, 10_000),
    Peer("procrastinate", "Procrastinate, 32 at a time", ("procrastinate==3.10.0",
         "psycopg[binary]==3.3.9"), 8.0, 1_000),
    Peer("celery", "Celery, solo, on Valkey in memory", ("celery[redis]==5.7.0",), 3.0, 3_000,
         on_valkey=True),
    Peer("dbos", "DBOS, one step", ("dbos==3.4.0", "psycopg[binary]==3.3.9"), None, 300),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PeerFigures:
    """Of one round: jobs a second, and for each drained job what it cost."""

    enqueued: float
    drained: float
    each: Mapping[str, float | None]


async def measure(peer: Peer, python: Path, url: str, meter: DatabaseMeter) -> PeerFigures:
    """Enqueue jobs and drain them, on an empty database or broker. The program checks that all of
    them ran. Raises PeerFailed."""
    jobs = peer.jobs
    await peer.step(python, "prepare", url, jobs)
    enqueued = await peer.step(python, "enqueue", url, jobs)
    before = await meter.usage()
    drained = await peer.step(python, "drain", url, jobs)
    used = (await meter.usage()).since(before)
    each = {**used.each(jobs), "process_ms": 1000 * drained["cpu"] / jobs}
    if peer.on_valkey:
        each = {"process_ms": each["process_ms"]}
    return PeerFigures(jobs / enqueued["seconds"], jobs / drained["seconds"], each)


def _called(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise PeerFailed(f"{' '.join(command)}: {done.stderr[-2_000:]}")
