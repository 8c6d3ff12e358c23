"""PostgreSQL's part of the guard: make the data once, then the command. Standard library only."""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT

from taskengine.embedded.account import database_account
from taskengine.embedded.child import Account, Stops, stop_stranger

USER = DATABASE = "taskengine"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "cluster_name": "taskengine",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    # Nobody replicates an embedded server.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "128MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "deadlock_timeout": "200ms",  # below the lock_timeout of the role
    "autovacuum": "on",
    "autovacuum_naptime": "10s",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
}


class Cluster:
    """One data folder and the server on it."""

    # Fast shutdown, then immediate (recovered at the next start), then what nothing survives.
    stops: Stops = ((SIGINT, 10.0), (SIGQUIT, 5.0), (SIGKILL, 5.0))

    def __init__(self, folder: Path, binary: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._binary = binary

    def prepare(self) -> None:
        """Leave a data folder that the server can be started on, whatever was there before."""
        for unfinished in self._folder.glob("new-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if not self._data.exists():
            self._create()
        self._give_to_account()
        self._clear_pid_file()

    def start(self, port: int) -> subprocess.Popen[bytes]:
        """Start the server; settings on its command line follow the code, not the data folder."""
        settings = {**SETTINGS, "port": str(port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._account.start((self._binary, "-D", self._data, *options), SIGQUIT)

    def ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        """Tell whether this very process accepts connections, as pg_ctl does."""
        lines = self._pid_file_lines()
        return len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready"

    @cached_property
    def _account(self) -> Account:
        return database_account(self._data, self._binary)

    def _create(self) -> None:
        """Make the data beside their place: a start that is killed meanwhile leaves no half."""
        new = Path(tempfile.mkdtemp(prefix="new-", dir=self._folder))
        password = self._folder / "password"
        for path in (new, password):
            os.chown(path, self._account.uid or -1, self._account.gid or -1)
        self._run(
            *(self._binary.with_name("initdb"), "-D", new, "-U", USER),
            *("--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        self._run(
            self._binary, "--single", "-D", new, "postgres", text=f"CREATE DATABASE {DATABASE}"
        )
        _sync(password)
        new.rename(self._data)
        _sync(self._folder)

    def _run(self, *command: str | Path, text: str = "") -> None:
        process = self._account.start(
            command, SIGKILL, stdin=subprocess.PIPE, output=subprocess.PIPE
        )
        output = process.communicate(text.encode())[0]
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()
        # A single-user server ends with 0 whatever became of its statement.
        if process.returncode != 0 or b"ERROR:" in output:
            raise ChildProcessError(f"{command[0]} ended with {process.returncode}")

    def _give_to_account(self) -> None:
        """Hand over data that root made, say by restoring a copy."""
        if self._account.uid is None or self._data.stat().st_uid != 0:
            return
        for path in (self._data, *self._data.rglob("*")):
            os.chown(path, self._account.uid, self._account.gid or -1, follow_symlinks=False)

    def _clear_pid_file(self) -> None:
        """Stop a server that outlived its guard, and forget a process id that others may bear."""
        lines = self._pid_file_lines()
        if not lines:
            # Empty after a crash while it was written; PostgreSQL would refuse to start.
            self._pid_file.unlink(missing_ok=True)
            return
        if lines[0].isdigit():
            stop_stranger(int(lines[0]), str(self._data), self.stops)
        # PostgreSQL takes its parent's id for stale, but not one that happens to be alive. The
        # other lines stay: by them it waits for server processes that still share its memory.
        # One of them is a path, which may be any bytes.
        self._pid_file.write_bytes(os.fsencode("\n".join([str(os.getpid()), *lines[1:]]) + "\n"))

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    def _pid_file_lines(self) -> list[str]:
        try:
            return os.fsdecode(self._pid_file.read_bytes()).split("\n")[:-1]
        except OSError:
            return []


def _sync(path: Path) -> None:
    """Make a file or a folder's entries outlast a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
