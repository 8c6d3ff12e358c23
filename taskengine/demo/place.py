"""Where the demonstration is, and what settings hold there."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from taskengine.configuration import PREFIX

ADDRESS, PORT = "127.0.0.1", 8080

# All that a file of settings might have changed. Where the data are is a variable: a path may have
# characters that TOML cannot say.
SETTINGS = """# Written by `taskengine demo`.
bind = '{bind}'
drain = 3
# Its callbacks go to this very program; an engine allows no private address by itself.
outbound_allow = ["127.0.0.0/8"]
"""


@dataclass(frozen=True, slots=True)
class DemoPlace:
    """Where everything of the demonstration is."""

    data: Path

    @property
    def log(self) -> Path:
        return self.data / "serve.log"

    @property
    def input(self) -> Path:
        return self.data / "input"

    @property
    def output(self) -> Path:
        return self.data / "output"


def settle(place: DemoPlace) -> None:
    """Make the settings those of the demonstration, for this process and its children."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    port = PORT if _is_free(PORT) else 0
    file = place.data / "taskengine.toml"
    file.write_text(SETTINGS.format(bind=f"{ADDRESS}:{port}"))
    os.environ[PREFIX + "CONFIG"] = str(file)
    os.environ[PREFIX + "DATA_DIR"] = str(place.data)


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
        except OSError:
            return False
    return True
