"""The process between a server and its owners: it stops the server when the last owner is gone.

Kept small and to the standard library, since it stays for as long as the server runs.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from taskengine.embedded.cache import Cache
from taskengine.embedded.child import Stops, stop
from taskengine.embedded.cluster import Cluster
from taskengine.embedded.locks import EXCLUSIVE, open_lock, take

START_SECONDS = 50.0
POLL_SECONDS = 0.05
# A server that dies more often than this without a minute's life in between is left alone.
RESTARTS = 5


class GuardedServer(Protocol):
    """What the guard needs to know of a server."""

    stops: Stops

    def prepare(self) -> None: ...
    def start(self, port: int) -> subprocess.Popen[bytes]: ...
    def ready(self, process: subprocess.Popen[bytes], port: int) -> bool: ...


SERVERS: dict[str, type[Cluster] | type[Cache]] = {"postgres": Cluster, "valkey": Cache}


def main(arguments: list[str]) -> int:
    """Guard one server; the caller passes on the lock that says that there is a guard."""
    kind, folder, binary, lock, port = arguments
    os.set_inheritable(int(lock), False)
    os.umask(0o077)
    # A terminal or service manager signals everything at once; a guard goes after its owners.
    # Handlers, since ignored signals would stay ignored in the server.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    try:
        guard(SERVERS[kind](Path(folder), Path(binary)), Path(folder), int(port) or None)
    except OSError as error:
        print(f"guard: {error}", file=sys.stderr)
        return 1
    return 0


def guard(server: GuardedServer, folder: Path, port: int | None) -> None:
    """Run the server, again when it dies, until the last owner is gone."""
    address = folder / "server.json"
    deaths = 0
    try:
        while deaths <= RESTARTS:
            server.prepare()
            process, port = start(server, port, folder / "server.log")
            publish(address, port, process.pid)
            since = time.monotonic()
            if outlives_owners(process, folder / "owners.lock"):
                return stop(process, server.stops)
            deaths = deaths + 1 if time.monotonic() < since + 60 else 1
            print(f"guard: server ended with {process.returncode}", file=sys.stderr)
            time.sleep(0.1 * deaths)
        raise ChildProcessError("the server dies again and again")
    finally:
        address.unlink(missing_ok=True)


def start(
    server: GuardedServer, port: int | None, log: Path
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server, on a free port unless it has one, and wait until it answers."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        chosen, mark = port or free_port(), log.stat().st_size
        process = server.start(chosen)
        while process.poll() is None and time.monotonic() < deadline:
            if server.ready(process, chosen):
                return process, chosen
            time.sleep(0.01)
        stop(process, server.stops)
        # The port may be taken by others meanwhile; memory, by processes of a killed server.
        if time.monotonic() > deadline or b"in use" not in log.read_bytes()[mark:]:
            raise ChildProcessError(f"the server did not start, exit code {process.returncode}")
        time.sleep(0.2)


def outlives_owners(process: subprocess.Popen[bytes], owners: Path) -> bool:
    """Wait until nobody else holds the owners' lock or the server has ended."""
    lock = open_lock(owners)  # not closed once it is held: new owners wait for our end
    while process.poll() is None:
        if take(lock, EXCLUSIVE):
            return True
        time.sleep(POLL_SECONDS)
    os.close(lock)
    return False


def publish(address: Path, port: int, pid: int) -> None:
    """Tell the owners where the server is, in one step."""
    draft = address.with_suffix(".tmp")
    draft.write_text(json.dumps({"port": port, "pid": pid, "guard": os.getpid()}))
    draft.replace(address)


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
