"""Start and stop a server as a child that does not outlive its guard. Standard library only."""

import ctypes
import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import IO

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

# How a server is stopped: each signal and the seconds that it is given.
Stops = Sequence[tuple[Signals, float]]


@dataclass(frozen=True, slots=True)
class Account:
    """As whom a command runs: ourselves, or another user, with a command before it."""

    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()

    def start(
        self,
        command: Iterable[str | Path],
        death: Signals,
        *,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        output: int | None = None,
        folder: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command, in a folder, that gets the signal `death` when its guard dies."""
        # A prefix changes the user by itself, with rights that it could not keep otherwise.
        switch = self.uid is not None and not self.prefix
        return subprocess.Popen(
            [*self.prefix, *map(str, command)],
            cwd=folder,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            user=self.uid if switch else None,
            group=self.gid if switch else None,
            extra_groups=[] if switch else None,
            # Safe here: a guard has one thread.
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, death),
        )


def stop(process: subprocess.Popen[bytes], stops: Stops) -> None:
    """Send one signal after the other until the child has ended."""
    for signal, patience in stops:
        if process.poll() is None:
            process.send_signal(signal)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                continue


def command_line(pid: int) -> list[str]:
    """Return the arguments of a process; empty if there is none or it is a zombie."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except OSError:
        return []


def stop_stranger(pid: int, argument: str, stops: Stops) -> None:
    """Stop a process that is not our child, while `argument` shows that it is the one meant."""
    for signal, patience in stops:
        deadline = time.monotonic() + patience
        if argument in command_line(pid):
            os.kill(pid, signal)
        while argument in command_line(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
    if argument in command_line(pid):
        raise ChildProcessError(f"process {pid} does not stop: {' '.join(command_line(pid))}")
