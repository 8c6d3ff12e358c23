"""The owner's side of an embedded server: share it, start it first, leave nothing behind.

In a server's folder, `owners.lock` is shared by every process that uses the server, `guard.lock` is
held by the guard for its whole life, and `start.lock` by whoever looks whether there is a guard.
"""

import contextlib
import json
import logging
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import trio

from taskengine.embedded.locks import EXCLUSIVE, SHARED, is_free, lock_now, try_lock
from taskengine.runtime.environment import clean_environment
from taskengine.runtime.folders import make_data_folder

START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02
LOG_LINES = 20
LOOK_SECONDS = 0.5  # between two looks whether there is a guard
GUARD_SECONDS = 60.0  # that a guard has to live, or the next one is started later
LONGEST_PAUSE = 30.0
PORT_SECONDS = 3.0  # for a server to leave its port

logger = logging.getLogger(__name__)

# Guards started by this process, by folder, to be reaped by it.
_guards: dict[Path, subprocess.Popen[bytes]] = {}


class EmbeddedServerFailed(Exception):
    """An embedded server did not start."""


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """What a client needs to reach the server."""

    port: int
    password: str


@asynccontextmanager
async def served(kind: str, data_dir: Path, binary: Path) -> AsyncIterator[ServerAccess]:
    """Own a share of the server in `data_dir/kind`; the guard stops it after the last owner."""
    folder = _make_folder(data_dir / kind)
    try:
        async with _lock(folder / "owners.lock", SHARED):
            async with _lock(folder / "start.lock", EXCLUSIVE):
                access = await _access(kind, folder, binary)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_keep_guarded, kind, folder, binary, access.port)
                try:
                    yield access
                finally:
                    nursery.cancel_scope.cancel()
    finally:
        with trio.move_on_after(STOP_SECONDS, shield=True):
            await _until_stopped(folder)


def owners_lock(kind: str, data_dir: Path) -> Path:
    """The file whose lock a process has to share for the server to stay."""
    return (data_dir / kind).resolve() / "owners.lock"


def _make_folder(path: Path) -> Path:
    """Make the folder; as root, the data in it belong to another user, who has to get there."""
    folder = path.resolve()
    if not folder.exists():
        make_data_folder(folder)
    return folder


@asynccontextmanager
async def _lock(path: Path, mode: int) -> AsyncIterator[None]:
    """Hold a lock; whoever refuses it, a guard that stops or an owner that starts, ends soon."""
    deadline = trio.current_time() + START_SECONDS
    while (descriptor := try_lock(path, mode)) is None:
        if trio.current_time() > deadline:
            raise EmbeddedServerFailed(f"{path} stays locked by another process")
        await trio.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)


async def _access(kind: str, folder: Path, binary: Path) -> ServerAccess:
    """Find the running server or start one; only for the holders of both locks."""
    password = _password(folder)
    started = False
    with trio.move_on_after(START_SECONDS):
        while not (started and _guard_is_gone(folder)):
            if _guard_is_gone(folder):
                _start_guard(kind, folder, binary, await _former_port(folder))
                started = True
            elif (port := _port(folder)) is not None:
                return ServerAccess(port, password)
            await trio.sleep(POLL_SECONDS)
    log = (folder / "server.log").read_text(errors="replace").splitlines()[-LOG_LINES:]
    raise EmbeddedServerFailed(
        "\n".join([f"{kind} did not start; {folder}/server.log ends:", *log])
    )


async def _former_port(folder: Path) -> int:
    """Where the server was whose guard was killed: other owners still look for it there. 0 if there
    was none, or others have the port."""
    port = _port(folder)
    if port is None:
        return 0
    with trio.move_on_after(PORT_SECONDS):
        while not is_unused(port):  # noqa: ASYNC110 - the server is ending; ports wake no task
            await trio.sleep(POLL_SECONDS)
        return port
    return 0


def is_unused(port: int) -> bool:
    """Tell whether nobody listens on the port."""
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def _keep_guarded(kind: str, folder: Path, binary: Path, port: int) -> None:
    """Start another guard when there is none: it was killed, or gave up. Any owner may. What keeps
    us from it, a full disk or a lack of descriptors, is over one day: it is no end of an owner."""
    pause, since, told = LOOK_SECONDS, trio.current_time(), False
    while True:
        await trio.sleep(pause)
        try:
            with lock_now(folder / "start.lock", EXCLUSIVE) as held:
                if not held or not _guard_is_gone(folder):
                    told = False
                    continue
                lived = trio.current_time() - since
                pause = LOOK_SECONDS if lived > GUARD_SECONDS else min(2 * pause, LONGEST_PAUSE)
                since = trio.current_time()
                logger.warning("the guard of the embedded %s is gone, another one is started", kind)
                _start_guard(kind, folder, binary, port)
        except OSError as error:
            if not told:
                logger.warning("no look at the embedded %s, tried again and again: %s", kind, error)
            told = True


def _password(folder: Path) -> str:
    """Return the server's password, made up at the first start."""
    path = folder / "password"
    if not path.exists():
        if (folder / "data").exists():
            raise EmbeddedServerFailed(f"{path} is missing, but there are data that it belongs to")
        draft = path.with_suffix(".tmp")
        draft.touch(0o600)
        draft.write_text(secrets.token_hex(32))
        draft.replace(path)
    return path.read_text()


def _port(folder: Path) -> int | None:
    """Return where the guard says that the server is; none before it answers."""
    try:
        port: int = json.loads((folder / "server.json").read_text())["port"]
    except FileNotFoundError:
        return None
    return port


def _start_guard(kind: str, folder: Path, binary: Path, port: int) -> None:
    """Start a guard that inherits its lock, so that there is no moment without one; its server gets
    the port, or any if it is 0."""
    lock = try_lock(folder / "guard.lock", EXCLUSIVE)
    if lock is None:
        return
    with os.fdopen(lock):
        if (former := _guards.pop(folder, None)) is not None:
            former.wait()  # it is ending: its lock is ours
        (folder / "server.json").unlink(missing_ok=True)
        with _new_log(folder / "server.log") as log:
            _guards[folder] = subprocess.Popen(
                guard_command(kind, folder, binary, lock, port),
                cwd=folder,
                env=clean_environment("PYTHONPATH"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                start_new_session=True,
            )


def _new_log(path: Path) -> IO[bytes]:
    """Open a log for this run and keep the one of the run before, where a crash may be told."""
    if path.exists():
        path.replace(path.with_suffix(".log.1"))
    path.touch(0o600)
    return path.open("ab")


def guard_command(kind: str, folder: Path, binary: Path, lock: int, port: int) -> list[str]:
    """Return how this program runs as a guard."""
    module = "taskengine.embedded.guard"
    arguments = [kind, str(folder), str(binary), str(lock), str(port)]
    return [sys.executable, "-P", "-m", module, *arguments]


async def _until_stopped(folder: Path) -> None:
    """Wait for the guard's end, unless others still own the server."""
    while not _is_left(folder):  # noqa: ASYNC110 - locks wake no task
        await trio.sleep(POLL_SECONDS)


def _is_left(folder: Path) -> bool:
    """Tell whether nothing is left to wait for; unknown without a descriptor to look with."""
    try:
        return _is_settled(folder) and _is_reaped(folder)
    except OSError:
        return False


def _is_settled(folder: Path) -> bool:
    """Tell whether the guard is gone or stays for others; unknown while somebody starts one."""
    with lock_now(folder / "start.lock", EXCLUSIVE) as held:
        return held and (_guard_is_gone(folder) or _is_owned(folder))


def _guard_is_gone(folder: Path) -> bool:
    """Tell whether there is no guard; a look takes its lock, hence only with `start.lock`."""
    return is_free(folder / "guard.lock", EXCLUSIVE)


def _is_owned(folder: Path) -> bool:
    """Tell whether there are owners: they refuse an exclusive lock but share theirs."""
    path = folder / "owners.lock"
    return not is_free(path, EXCLUSIVE) and is_free(path, SHARED)


def _is_reaped(folder: Path) -> bool:
    """Leave no zombie; a guard that stays for others is none."""
    guard = _guards.get(folder)
    return guard is None or guard.poll() is not None or _is_owned(folder)
