"""Child processes that die with this one, and the files where they speak."""

from __future__ import annotations

import ctypes
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def spawn(command: Sequence[str], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a command; to be called by the main thread, whose end would kill the child."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a child's end, and return its exit code."""
    while (code := process.poll()) is None:
        await trio.sleep(0.02)
    return code
