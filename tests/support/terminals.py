"""Pages whose blocks are pasted into terminals, as a reader would."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(file: Path) -> list[tuple[str, str]]:
    """The languages and texts of the code blocks of a page."""
    return [(match[1], match[2]) for match in BLOCK.finditer(file.read_text("utf-8"))]


class Terminal:
    """A shell that blocks are pasted into; it ends with the first command that fails."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.shell = subprocess.Popen(
            ["bash"], cwd=folder, env=variables, stdin=-1, stdout=-1, stderr=-2, text=True
        )
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.keyboard, self.screen = self.shell.stdin, self.shell.stdout
        self.paste("set -euo pipefail")

    def paste(self, block: str) -> str:
        """What the block prints."""
        print(block, "echo; echo '# pasted'", sep="\n", file=self.keyboard, flush=True)
        told: list[str] = []
        for line in self.screen:
            if line == "# pasted\n":
                return "".join(told)
            told.append(line)
        raise AssertionError("".join([block, *told]))

    def close(self) -> None:
        self.keyboard.close()
        self.shell.wait(10)
        self.screen.close()


@contextmanager
def engine(command: str, folder: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """`make serve` in the other terminal, until Ctrl-C."""
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env=variables,
        stdout=-1,
        stderr=-2,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        told: list[str] = []
        while not told or "listens on" not in told[-1]:
            told.append(process.stdout.readline())
            assert told[-1], "".join(told)
        yield
        os.killpg(process.pid, signal.SIGINT)
        told.append(process.stdout.read())
        assert "taskengine.main: stopped\n" in told[-1], "".join(told)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
