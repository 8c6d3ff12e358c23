"""What an engine and its child processes take, from the system's own books."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import trio

from bench.usage import descendants, own_cpu

LOOK = 0.1  # seconds
DATABASE = "postgres"  # its processes are not the engine's


@dataclass(slots=True)
class Watch:
    """Memory in bytes. `largest` is the largest child, by its name."""

    pid: int
    engine: int = 0
    children: int = 0
    largest: dict[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            self._look()
            await trio.sleep(LOOK)

    def _look(self) -> None:
        self.engine = max(self.engine, _memory(self.pid)[1])
        own_line = _command(self.pid)  # that of a child too, until it becomes its program
        found = [_memory(pid) for pid in descendants(self.pid) if _command(pid) != own_line]
        own = [(name, size) for name, size in found if DATABASE not in name]
        self.children = max(self.children, sum(size for _, size in own))
        for name, size in own:
            self.largest[name] = max(size, self.largest.get(name, 0))

    def cpu(self) -> float:
        """Seconds of the engine and of all its children that have ended."""
        return own_cpu(self.pid)


def _command(pid: int) -> bytes:
    """Its command line; nothing of what has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _memory(pid: int) -> tuple[str, int]:
    """Name and resident bytes; nothing of what has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    said = dict(line.partition(":")[::2] for line in lines)
    return said["Name"].strip(), int(said.get("VmRSS", "0").split()[0]) * 1024
