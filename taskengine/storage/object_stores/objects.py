"""Objects of a bucket or container as a storage, through obstore.

A key is the whole path, root and folder and name. What obstore does is done in threads. A file of
up to a part is written in one request, which a store with conditional writes refuses if somebody
else has changed the object since before the fence was asked; a larger one in parts, of which
nothing is seen before the last request, the one behind the fence (`transfers.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import obstore
import trio
from obstore.exceptions import AlreadyExistsError, PreconditionError

from taskengine.model import BadInput
from taskengine.storage import (
    FenceCheck,
    FileNotStored,
    FileStored,
    StorageFailed,
    StorageRefused,
    StoredFile,
    unfenced,
)
from taskengine.storage.cache import FetchCache
from taskengine.storage.fencing import pass_fence
from taskengine.storage.object_stores.transfers import (
    PART,
    READING,
    WRITING,
    Upload,
    attributes_of,
    download,
    in_words,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig

T = TypeVar("T")
ObjectStore = Any  # of obstore.store: S3Store, AzureStore and others

MAX_THREADS: Final = 24  # at once: calls that wait for an outage must not keep all of them busy
MAX_DELETED: Final = 1_000  # objects in a request
MAX_COLLISIONS: Final = 10  # tries to write what somebody else writes too
PAUSES: Final = (1.0, 5.0, 15.0)  # seconds before a put or a move is tried again
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\\]")


def client_options(endpoint: str | None, ca_file: Path | None) -> ClientConfig:
    """Of requests: plain HTTP where the endpoint says so, certificates, and time limits."""
    options: ClientConfig = {"timeout": "30s", "connect_timeout": "5s"}
    if endpoint is not None:
        options["allow_http"] = endpoint.startswith("http://")
    if ca_file is not None:
        options["root_certificate"] = ca_file.read_bytes()
    return options


class ObjectStorage:
    """Objects below the given roots. `connect` makes a store that repeats requests as it is told;
    `conditional` says that the store knows conditional writes, `largest_copy` how many bytes it
    copies by itself."""

    def __init__(
        self,
        label: str,
        connect: Callable[[Any], ObjectStore],
        roots: Sequence[str],
        *,
        cache: FetchCache | None = None,
        conditional: bool = True,
        largest_copy: int | None = None,
    ) -> None:
        self.label = label
        self._read, self._write = connect(READING), connect(WRITING)
        self._roots = [_parts(root) for root in roots]
        self._cache = cache
        self._conditional, self._largest_copy = conditional, largest_copy
        self._threads = trio.CapacityLimiter(MAX_THREADS)

    async def list(self, prefix: str) -> Sequence[StoredFile]:
        place = self._locate(prefix)
        found = await self._ask(place, _listed, self._read, place)
        if not found:
            raise FileNotStored(f"{prefix}: no such folder")
        return sorted(found, key=lambda file: file.name)

    async def folders(self, prefix: str) -> Sequence[str]:
        place = self._locate(prefix)
        found = await self._ask(place, obstore.list_with_delimiter, self._read, place)
        return sorted(path.rpartition("/")[2] for path in found["common_prefixes"])

    async def size(self, key: str) -> int:
        size: int = (await self._found(key))["size"]
        return size

    async def fetch(self, key: str, target: Path) -> None:
        """Download it, or find it in the cache. Raises StorageFailed if the disk has no room."""
        place, meta = self._locate(key), await self._found(key)
        fetch = partial(download, partial(self._ask, place), self._read, place, meta)
        if self._cache is None or meta["size"] <= PART or not meta.get("e_tag"):
            await fetch(target)
        else:
            version = hashlib.sha256(f"{self.label}:{place}:{meta['e_tag']}".encode()).hexdigest()
            await self._cache.fetch(version, meta["size"], target, fetch)

    async def put(self, source: Path, key: str, fence: FenceCheck = unfenced) -> None:
        place, size = self._locate(key), (await trio.Path(source).stat()).st_size
        write = self._put_whole if size <= PART else self._put_in_parts
        await self._patiently(lambda: write(source, place, size, fence))

    async def put_new(self, source: Path, key: str) -> None:
        """Without conditional writes, two that come at the same instant may both succeed."""
        place, content = self._locate(key), await trio.Path(source).read_bytes()
        try:
            await self._meta(place)
        except FileNotStored:
            with suppress(AlreadyExistsError):
                await self._put_bytes(
                    place, content, "create" if self._conditional else "overwrite"
                )
                return
        raise FileStored(f"{key}: there is such a file")

    async def move(self, source: str, target: str, fence: FenceCheck = unfenced) -> None:
        """Copy and delete; each is behind the fence, and nothing is deleted but what was copied."""
        here, there = self._locate(source), self._locate(target)
        await self._patiently(lambda: self._move(here, there, fence))

    async def delete(self, key: str) -> None:
        place = self._locate(key)
        await self._meta(place)
        await self._commit(place, obstore.delete, place)

    async def clear(self, prefix: str) -> None:
        place = self._locate(prefix)
        if any(root[: len(_parts(place))] == _parts(place) for root in self._roots):
            raise BadInput(f"{prefix}: a root folder is never removed")
        names = [file.name for file in await self._ask(place, _listed, self._read, place)]
        for start in range(0, len(names), MAX_DELETED):
            keys = [f"{place}/{name}" for name in names[start : start + MAX_DELETED]]
            with suppress(FileNotStored):  # somebody else removes them too
                await self._commit(place, obstore.delete, keys)

    async def _found(self, key: str) -> Any:
        """What the store says of an object. Raises FileNotStored, and what a bucket that is not
        there is told by."""
        try:
            return await self._meta(self._locate(key))
        except FileNotStored:
            await self.folders(key)  # which knows whether there is a bucket at all
            raise

    # Writing

    async def _put_whole(self, source: Path, place: str, size: int, fence: FenceCheck) -> None:
        """In one request, which is refused if the object is not as it was before the fence."""
        content = await trio.Path(source).read_bytes()
        for _ in range(MAX_COLLISIONS):
            mode = await self._condition(place)
            await pass_fence(fence)
            try:
                await self._put_bytes(place, content, mode)
            except (AlreadyExistsError, PreconditionError):
                continue  # another attempt, perhaps: the fence knows; or an answer was lost
            return
        raise StorageFailed(f"{self.label}: {place} is written by others all the time")

    async def _put_in_parts(self, source: Path, place: str, size: int, fence: FenceCheck) -> None:
        await self._upload(place, size, fence, lambda one: self._ask(place, one.send, source))

    async def _put_bytes(self, place: str, content: bytes, mode: Any) -> None:
        kinds = attributes_of(place)
        await self._commit(
            place, obstore.put, place, content, attributes=kinds, use_multipart=False, mode=mode
        )

    async def _condition(self, place: str) -> Any:
        """How the object has to be when it is written: as it is now, or absent."""
        if not self._conditional:
            return "overwrite"
        try:
            meta = await self._meta(place)
        except FileNotStored:
            return "create"
        version = {name: meta[name] for name in ("e_tag", "version") if meta.get(name)}
        return version or "overwrite"

    async def _move(self, here: str, there: str, fence: FenceCheck) -> None:
        try:
            meta = await self._meta(here)
        except FileNotStored:
            await self._meta(there)  # moved already
            return
        if here == there:
            return
        if self._largest_copy is not None and meta["size"] > self._largest_copy:
            await self._copy_through(here, there, meta["size"], fence)
        else:
            await pass_fence(fence)
            await self._commit(here, obstore.copy, here, there)
        if (await self._meta(there))["size"] != meta["size"]:
            raise StorageFailed(f"{self.label}: {there} is no whole copy of {here}")
        await pass_fence(fence)
        await self._commit(here, obstore.delete, here)

    async def _copy_through(self, here: str, there: str, size: int, fence: FenceCheck) -> None:
        """What is too large for the store to copy goes through this host, piece by piece."""
        try:
            await self._upload(
                there, size, fence, lambda one: self._ask(here, one.send_object, self._read, here)
            )
        except PreconditionError:
            raise StorageFailed(f"{self.label}: {here} was replaced while it was copied") from None

    async def _upload(
        self, place: str, size: int, fence: FenceCheck, send: Callable[[Upload], Awaitable[None]]
    ) -> None:
        """What `send` sends, in parts; the commit is behind the fence."""
        upload = Upload(self._write, place, size)
        try:
            await send(upload)
            await pass_fence(fence)
            await self._ask(place, upload.commit, finish=True)
        finally:
            with trio.CancelScope(shield=True):
                await self._ask(place, upload.close, finish=True)

    async def _patiently(self, write: Callable[[], Awaitable[None]]) -> None:
        """Again after a pause, all of it with its fence, if the store fails."""
        for pause in PAUSES:
            try:
                await write()
            except StorageRefused:
                raise
            except StorageFailed:
                await trio.sleep(pause)
            else:
                return
        await write()

    # Calls into obstore

    async def _meta(self, place: str) -> Mapping[str, Any]:
        """Raises FileNotStored."""
        return await self._ask(place, obstore.head, self._read, place)

    async def _commit(self, place: str, call: Callable[..., T], *args: Any, **more: Any) -> T:
        """A change. It is never left behind by a cancellation: nobody may take over before."""
        return await self._ask(place, partial(call, self._write, *args, **more), finish=True)

    async def _ask(self, place: str, call: Callable[..., T], *args: Any, finish: bool = False) -> T:
        try:
            return await trio.to_thread.run_sync(
                call, *args, abandon_on_cancel=not finish, limiter=self._threads
            )
        except (AlreadyExistsError, PreconditionError):
            raise
        except (obstore.exceptions.BaseError, FileNotFoundError, ValueError) as error:
            raise in_words(self.label, place, error) from None

    def _locate(self, key: str) -> str:
        """Raises BadInput for a key that is outside of the roots."""
        parts = key.strip("/").split("/") if key.strip("/") else []  # a root may be all of it
        outside = not any(tuple(parts[: len(root)]) == root for root in self._roots)
        if outside or CONTROL.search(key) or any(part in ("", ".", "..") for part in parts):
            raise BadInput(f"{key}: not within the folders of the storage {self.label}")
        return "/".join(parts)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


def _listed(store: ObjectStore, prefix: str) -> list[StoredFile]:
    return [
        StoredFile(one["path"].removeprefix(f"{prefix}/"), one["size"])
        for some in obstore.list(store, prefix)
        for one in some
    ]
