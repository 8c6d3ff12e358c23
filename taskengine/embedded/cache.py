"""Valkey's part of the guard. Standard library only."""

import socket
import subprocess
from pathlib import Path
from signal import SIGKILL, SIGTERM

from taskengine.embedded.child import Account, Stops

SETTINGS = """\
bind 127.0.0.1
port {port}
requirepass {password}
daemonize no
save ""
appendonly no
maxmemory 64mb
tcp-backlog 128
"""


class Cache:
    """A server that keeps everything in memory."""

    stops: Stops = ((SIGTERM, 3.0), (SIGKILL, 3.0))

    def __init__(self, folder: Path, binary: Path) -> None:
        self._folder = folder
        self._binary = binary

    def prepare(self) -> None:
        """Do nothing: there are no data to keep."""

    def start(self, port: int) -> subprocess.Popen[bytes]:
        """Start the server; its settings go through a pipe, for anybody reads command lines. They
        do not name its folder, where it works: a path may have blanks and quotes."""
        process = Account().start(
            (self._binary, "-"), SIGKILL, stdin=subprocess.PIPE, folder=self._folder
        )
        settings = SETTINGS.format(port=port, password=self._password())
        assert process.stdin is not None
        with process.stdin as pipe:
            pipe.write(settings.encode())
        return process

    def ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        """Tell whether a server on the port takes our password and answers."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password()}\r\n".encode())
                return connection.recv(100).startswith(b"+OK")
        except OSError:
            return False

    def _password(self) -> str:
        return (self._folder / "password").read_text()
