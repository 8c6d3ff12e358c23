"""Files to and from an object store, in pieces: memory is bounded, however large they are."""

from __future__ import annotations

import mimetypes
import os
import re
import shutil
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

import obstore
import trio
from obstore.exceptions import (
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from taskengine.storage import FileNotStored, StorageFailed, StorageRefused

Ask = Callable[..., Awaitable[Any]]  # calls into obstore, in a thread

PART: Final = 8 << 20  # bytes of a part of an upload, and of a range of a download
MAX_PARTS: Final = 9_000  # S3 takes 10,000: larger files have larger parts
AT_ONCE: Final = 4  # ranges of a download
RESERVE: Final = 256 << 20  # bytes of the disk that a download leaves free
MAX_VERSIONS: Final = 3  # times that a file may change while it is fetched

_BACKOFF: Final = {
    "init_backoff": timedelta(seconds=0.2),
    "max_backoff": timedelta(seconds=5),
    "base": 2,
}
READING: Final = {"max_retries": 8, "retry_timeout": timedelta(seconds=60), "backoff": _BACKOFF}
# Less than a lease: no request is repeated once somebody else may have the task.
WRITING: Final = {"max_retries": 5, "retry_timeout": timedelta(seconds=12), "backoff": _BACKOFF}

NO_BUCKET: Final = ("ContainerNotFound", "NoSuchBucket")  # codes of the stores

CONTENT_TYPES: Final = {
    ".ism": "application/smil+xml",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mpd": "application/dash+xml",
    ".ts": "video/mp2t",
    ".vtt": "text/vtt",
}


def attributes_of(key: str) -> dict[str, str]:
    """What players are told of a file."""
    suffix = os.path.splitext(key)[1].lower()
    kind = CONTENT_TYPES.get(suffix) or mimetypes.types_map.get(suffix)
    return {"Content-Type": kind or "application/octet-stream"}


# Downloads


async def download(ask: Ask, store: Any, key: str, meta: Any, target: Path) -> None:
    """Have an object as a file: all of one version, that of `meta` unless it is replaced. Raises
    FileNotStored and StorageFailed."""
    await trio.Path(target.parent).mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        for _ in range(MAX_VERSIONS):
            with suppress(PreconditionError):  # it was replaced meanwhile
                await _download(ask, store, key, meta, part)
                await trio.Path(part).replace(target)
                return
            meta = await ask(obstore.head, store, key)
        raise StorageFailed(f"{key} is replaced all the time")
    finally:
        part.unlink(missing_ok=True)


async def _download(ask: Ask, store: Any, key: str, meta: Any, part: Path) -> None:
    _check_room(key, meta["size"], part.parent)
    pieces = iter(range(0, meta["size"], PART))
    with part.open("wb") as file:
        failure: list[Exception] = []

        async def fetch() -> None:
            try:
                for start in pieces:
                    piece = await ask(_range, store, key, meta, start)
                    await trio.to_thread.run_sync(os.pwrite, file.fileno(), piece, start)
            except Exception as error:
                failure.append(error)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(fetch)
        if failure:
            raise failure[0]


def _range(store: Any, key: str, meta: Any, start: int) -> obstore.Bytes:
    """A piece of the version that `meta` tells of. Raises PreconditionError if it is replaced."""
    options: obstore.GetOptions = {"range": (start, min(start + PART, meta["size"]))}
    if meta.get("e_tag"):
        options["if_match"] = meta["e_tag"]
    return obstore.get(store, key, options=options).bytes()


def _check_room(key: str, size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if size + RESERVE > free:
        raise StorageFailed(
            f"{key} has {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free for it here"
        )


# Uploads


class Upload:
    """A file in parts. Nothing is seen of it before the commit; what is closed without one is
    removed. The last byte is held back: when that is handed over, the parts before have arrived, so
    that the commit takes no time but its own."""

    def __init__(self, store: Any, key: str, size: int) -> None:
        part = max(PART, -(-size // MAX_PARTS))
        self._writer = obstore.open_writer(
            store, key, attributes=attributes_of(key), buffer_size=part, max_concurrency=1
        )
        self._key, self._size, self._is_open = key, size, True
        self._stopped, self._lock = Event(), Lock()

    def send(self, source: Path) -> None:
        """All of a file but its commit."""
        with source.open("rb") as file:
            self._send(iter(lambda: file.read(PART), b""))

    def send_object(self, store: Any, key: str) -> None:
        """The same of another object."""
        meta = obstore.head(store, key)
        self._send(_range(store, key, meta, start) for start in range(0, self._size, PART))

    def _send(self, pieces: Iterable[Any]) -> None:
        try:
            with self._lock:
                self._send_all(map(memoryview, pieces))
        finally:
            if self._stopped.is_set():  # whoever closed it did not wait
                self.close()

    def _send_all(self, pieces: Iterable[memoryview]) -> None:
        sent, last = 0, memoryview(b"")
        for piece in pieces:
            if self._stopped.is_set():
                return
            self._writer.write(last)
            self._writer.write(piece[:-1])
            sent, last = sent + len(piece), memoryview(bytes(piece[-1:]))
        if sent != self._size:
            raise StorageFailed(f"{self._key}: {sent} bytes were read of {self._size}")
        self._writer.write(last)

    def commit(self) -> None:
        self._is_open = False
        self._writer.close()

    def close(self) -> None:
        """Have what was not committed removed, at once or when the part on its way has arrived."""
        self._stopped.set()
        if self._lock.acquire(blocking=False):
            try:
                self._abort()
            finally:
                self._lock.release()

    def _abort(self) -> None:
        if self._is_open:
            self._is_open = False
            with suppress(Exception):  # parts that stay are for the store's own rules
                self._writer.__exit__(StorageFailed, StorageFailed(self._key), None)


# Errors


def in_words(label: str, key: str, error: Exception) -> Exception:
    """An error of obstore without URLs and signatures: what was refused, and the store's code."""
    text = str(error)
    found = re.search(r"<Code>([^<]{1,80})</Code>", text)
    code = found[1] if found else ""
    if isinstance(error, FileNotFoundError) and code not in NO_BUCKET:
        return FileNotStored(f"{key}: no such file")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return StorageRefused(f"{label}: access to {key} is denied{code and f' ({code})'}")
    if code in NO_BUCKET:
        return StorageRefused(f"{label}: its bucket or container does not exist ({code})")
    if isinstance(error, ValueError):
        return StorageFailed(f"{label}: {key!r} cannot be the key of an object")
    status = re.search(r"status code: (\d{3} [A-Z][A-Za-z ]{2,40})", text)
    told = ", ".join(filter(None, (status[1] if status else "", code)))
    return StorageFailed(f"{label}: {key}: {told or 'the server cannot be reached'}")
