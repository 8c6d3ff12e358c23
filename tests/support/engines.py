"""The program as its users run it: real processes, real servers."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

TASKENGINE = [sys.executable, "-m", "taskengine"]
SERVE = [*TASKENGINE, "serve"]
PREFIX = "TASKENGINE_"
T = TypeVar("T")


def environment(**settings: object) -> dict[str, str]:
    """This environment with these settings of the engine, and the tests' own receivers allowed."""
    settings = {"outbound_allow": "127.0.0.0/8,::1/128", **settings}  # receivers are here
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return kept | {f"{PREFIX}{name.upper()}": str(value) for name, value in settings.items()}


def taskengine(
    *arguments: object, stdin: str | None = None, cwd: Path | None = None, **settings: object
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [*TASKENGINE, *map(str, arguments)]
    return subprocess.run(
        command,
        input=stdin,
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=100,  # seconds, for what would hang
        check=False,
    )


@contextmanager
def serving(
    *arguments: object,
    log: Path,
    files: int | None = None,
    tree: Path | None = None,
    **settings: object,
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`taskengine serve` on a free port: its process and its URL; killed in the end. It may open
    so many `files`. The program is the one below `tree`; None: this one."""
    command = [*SERVE, "--bind", "127.0.0.1:0", *map(str, arguments)]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*limited(files), *command],
            env=environment(**settings) | program_below(tree),
            stdout=-1,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()  # ends with the process
        assert line.startswith("Task Engine listens on http://"), log.read_text()
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def program_below(tree: Path | None) -> dict[str, str]:
    """The variables by which a process has the program there."""
    return {} if tree is None else {"PYTHONPATH": str(tree)}


def limited(files: int | None) -> list[str]:
    """What to put before a command that may open so many files, and never more."""
    return [] if files is None else ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"]


def until(condition: Callable[[], T], seconds: float = 60) -> T:
    """Poll until something is so, and return it; the seconds end a test that would hang."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)
    return found


def processes_of(folder: Path) -> list[str]:
    """Processes that have a folder in their command line or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, variables = ((process / name).read_bytes() for name in ("cmdline", "environ"))
        except OSError:  # it has ended meanwhile
            continue
        if str(folder).encode() in command + variables:
            found.append(command.replace(b"\0", b" ").decode())
    return found
