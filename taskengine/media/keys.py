"""Content keys, and where they are kept: away from media, logs and command lines."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

import trio

from taskengine.model import PermanentFailure
from taskengine.storage import FileNotStored, FileStored, Folder

KEY_SIZE: Final = 16  # bytes


@dataclass(frozen=True, slots=True)
class AssetKeys:
    """The keys of an asset, hexadecimal: one for CENC with its id and IV, one for AES-128 HLS."""

    key_id: str
    key: str = field(repr=False)
    iv: str = field(repr=False)
    aes: str = field(repr=False)

    @property
    def fairplay_uri(self) -> str:
        return f"skd://{self.key_id}"

    @property
    def aes_uri(self) -> str:
        """Relative to the playlists, for an authorised service of the operator to answer."""
        return f"keys/{self.key_id}"

    @property
    def cenc_uri(self) -> str:
        """The same of the other key, where no vendor's system hands it out."""
        return f"keys/cenc/{self.key_id}"


class KeyStore(Protocol):
    """Keeps the keys of assets. What is kept for an asset stays: later attempts get the same."""

    async def load(self, asset: str) -> AssetKeys | None: ...

    async def keep(self, asset: str, keys: AssetKeys) -> AssetKeys:
        """Keep them, unless there are keys already; returns those that hold."""
        ...


def generate_keys() -> AssetKeys:
    return AssetKeys(uuid.uuid4().hex, *(secrets.token_hex(16) for _ in range(3)))


def raw_key(text: str) -> str:
    """A key as clients write it, hexadecimal (a UUID's dashes allowed) or base64 of 16 bytes
    (A69), as hexadecimal. Raises PermanentFailure, which does not show it."""
    plain = text.strip()
    try:
        if plain.endswith("=="):
            key = base64.b64decode(plain, validate=True)
        else:
            key = bytes.fromhex(plain.replace("-", ""))
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise PermanentFailure("key: expected 32 hexadecimal digits, or base64 of 16 bytes")
    return key.hex()


def asset_name(folder: Folder, content_id: str) -> str:
    """What keys are kept under: the place of the asset and its content id."""
    return f"{folder.storage.label}:{folder.complete}:{content_id}"


async def keys_for(store: KeyStore, asset: str) -> AssetKeys:
    """The keys of an asset, made when it has none."""
    return await store.load(asset) or await store.keep(asset, generate_keys())


@dataclass(frozen=True, slots=True)
class FileKeyStore:
    """A file for each asset, readable by its owner alone; an operator may write them as well."""

    folder: Path

    async def load(self, asset: str) -> AssetKeys | None:
        return await trio.to_thread.run_sync(_read, self._path(asset))

    async def keep(self, asset: str, keys: AssetKeys) -> AssetKeys:
        return await trio.to_thread.run_sync(_keep, self._path(asset), asset, keys)

    def _path(self, asset: str) -> Path:
        return self.folder / _file_name(asset)


@dataclass(frozen=True, slots=True)
class StoredKeyStore:
    """A file for each asset on a storage that several hosts reach, where no client does."""

    folder: Folder

    async def load(self, asset: str) -> AssetKeys | None:
        with TemporaryDirectory() as own:
            path = Path(own, "keys.json")
            try:
                await self.folder.fetch(_file_name(asset), path)
            except FileNotStored:
                return None
            return _read(path)

    async def keep(self, asset: str, keys: AssetKeys) -> AssetKeys:
        with TemporaryDirectory() as own:
            path = _draft(Path(own, "keys.json"), asset, keys)
            try:
                await self.folder.put_new(path, _file_name(asset))
            except FileStored:
                kept = await self.load(asset)
                assert kept is not None
                return kept
        return keys


def _file_name(asset: str) -> str:
    return f"{hashlib.sha256(asset.encode()).hexdigest()}.json"


def _read(path: Path) -> AssetKeys | None:
    try:
        said = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return AssetKeys(**{name: said[name] for name in ("key_id", "key", "iv", "aes")})


def _keep(path: Path, asset: str, keys: AssetKeys) -> AssetKeys:
    """Write beside, then link: readers see all or nothing, and the first writer wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(path.with_suffix(f".{uuid.uuid4().hex}"), asset, keys)
    try:
        os.link(draft, path)
    except FileExistsError:
        kept = _read(path)
        assert kept is not None
        return kept
    finally:
        draft.unlink()
    return keys


def _draft(path: Path, asset: str, keys: AssetKeys) -> Path:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w") as file:
        json.dump({"asset": asset, **asdict(keys)}, file)
        file.flush()
        os.fsync(file.fileno())
    return path
