"""Encrypted segments are opened as soon as they are there: a recording holds none.

With the key that their playlist names, or the one that the job gives. What a key opens is decoded
until that has proved the key: nothing else tells a wrong one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

import trio

from taskengine.capture.encryption.ciphers import WrongKey
from taskengine.capture.encryption.files import (
    Head,
    open_fragments,
    open_head,
    open_stream,
    open_whole,
    opened_whole,
)
from taskengine.capture.encryption.fragments import KeyOf, Opened
from taskengine.capture.encryption.keys import ClipKeys, NoKey
from taskengine.capture.encryption.proof import HARDLY, Proof, enough
from taskengine.capture.encryption.protection import SampleProtection, clear_header
from taskengine.capture.model import (
    FRAGMENTS,
    UNREADABLE,
    Encryption,
    Locked,
    Resource,
    Segment,
    SourceAway,
    SourceRefused,
)
from taskengine.capture.web import Web
from taskengine.model import PermanentFailure

KEY: Final = 16  # bytes
MAX_KEYS: Final = 1_000  # of playlists that are remembered
TOGETHER: Final = 64  # keys that may be fetched at once
PLAIN: Final = frozenset({b"ftyp", b"moov", b"styp"})  # boxes that an initialization begins with
WRONG: Final = "the key does not open it"
TURNS: Final = trio.CapacityLimiter(os.cpu_count() or 1)  # decryption only takes processors
T = TypeVar("T")
Failures = dict[int, SourceAway | SourceRefused]  # by source
Lock = tuple[int, str]  # the source, and the id of a key or what stands for it


@dataclass(slots=True)
class Locks:
    """Of one clip. Its methods raise SourceAway for what cannot be read, and Locked for what no
    key opens."""

    web: Web
    keys: ClipKeys
    proof: Proof
    _fetched: dict[Resource, bytes] = field(default_factory=dict, repr=False)
    _fetching: Sequence[trio.Lock] = field(
        default_factory=lambda: [trio.Lock() for _ in range(TOGETHER)]
    )
    _proofs: dict[Lock, int] = field(default_factory=dict)  # samples decoded
    _unsure: set[Lock] = field(default_factory=set)  # of decoders that overlook garbage
    _doubtful: set[Lock] = field(default_factory=set)  # used for what could not be decoded
    _proving: trio.Lock = field(default_factory=trio.Lock)

    def is_whole(self, segment: Segment) -> bool:
        """Whether its file is encrypted as a whole (AES-128)."""
        return _whole(segment) is not None

    async def open_whole(self, source: int, segment: Segment, path: Path) -> None:
        """A file that is encrypted as a whole (AES-128)."""
        if (encryption := _whole(segment)) is not None:
            key, iv = await self._key(encryption), encryption.iv or bytes(KEY)
            lock = source, _name(encryption)
            await self._unlocked(lock, lambda: open_whole(path, key, iv))

    async def open_head(self, source: int, segment: Segment, body: bytes) -> Head:
        """An initialization. One that comes behind the key's line is encrypted as well."""
        encryption = _whole(segment)
        if encryption is not None and segment.form == "mp4" and body[4:8] not in PLAIN:
            key, iv = await self._key(encryption), encryption.iv or bytes(KEY)
            lock = source, _name(encryption)
            body = await self._unlocked(lock, lambda: opened_whole(body, key, iv))
        if segment.form == "smooth":
            return _smooth_head(segment, body)
        return await _read(lambda: open_head(body))

    async def open_samples(self, source: int, segment: Segment, path: Path, head: Head) -> None:
        """A file whose samples are encrypted, each by itself."""
        is_clear = not any(one.is_locked for one in head.tracks.values())
        if segment.form == "mp4" and segment.init is not None and is_clear:
            return  # its initialization says so: there is nothing to look for
        opened = await self._opened(segment, path, head)
        if opened.locked:
            ids = {one.hex() for one in opened.key_ids}
            if segment.encryption is not None and not ids:
                ids = {_name(segment.encryption)}
            await self._prove({(source, one) for one in ids}, head, path, opened)

    def check(self) -> None:
        """That all keys were proved. Raises PermanentFailure."""
        if not self._doubtful <= self._proofs.keys():
            raise PermanentFailure("nothing shows that the key opens the stream: no keyframes")

    @property
    def weakness(self) -> str:
        """What is to be said of the key that is proved worst; empty if all are proved well."""
        few = min((self._proofs[one] for one in self._unsure & self._proofs.keys()), default=HARDLY)
        if few >= HARDLY:
            return ""
        return f"only {few} samples that were decoded prove a key: garbage may look like media"

    async def _opened(self, segment: Segment, path: Path, head: Head) -> Opened:
        encryption = segment.encryption
        if segment.form in FRAGMENTS:
            key_of = await self._key_of(encryption)
            return await _read(lambda: open_fragments(path, head.tracks, key_of))
        if segment.form not in ("ts", "aac") or encryption is None or _whole(segment) is not None:
            return Opened()
        key, iv = await self._key(encryption), encryption.iv or bytes(KEY)
        is_packed = segment.form == "aac"
        return await _read(lambda: open_stream(path, key, iv, is_packed=is_packed))

    # Keys

    async def _key_of(self, encryption: Encryption | None) -> KeyOf:
        """The key for each id that samples have."""
        known: dict[bytes, bytes] = {}
        if encryption is not None and encryption.key is not None:
            at = encryption.key
            found = await self._of_playlist(at)
            if found is not None:
                return lambda key_id: found

        def key_of(key_id: bytes) -> bytes:
            if key_id not in known:
                known[key_id] = self.keys.of(key_id if any(key_id) else b"")
            return known[key_id]

        return key_of

    async def _key(self, encryption: Encryption) -> bytes:
        """The only one of a segment."""
        if encryption.key is not None:
            found = await self._of_playlist(encryption.key)
            if found is not None:
                return found
        try:
            return self.keys.of(_digits(encryption.key_id))
        except NoKey as missing:
            raise Locked(str(missing)) from None

    async def _of_playlist(self, at: Resource) -> bytes | None:
        """None if it cannot be had, and the job gives another."""
        if at in self._fetched:
            return self._fetched[at]
        async with self._fetching[hash(at) % TOGETHER]:  # a silent server holds up few others
            if at not in self._fetched:
                try:
                    found = (await self.web.get(at, KEY)).body
                    if len(found) != KEY:
                        raise SourceAway(f"a key of {len(found)} bytes")
                except (SourceAway, SourceRefused):
                    if self.keys.are_given:
                        return None
                    raise
                self._fetched[at] = found
                while len(self._fetched) > MAX_KEYS:  # the oldest can be fetched again
                    del self._fetched[next(iter(self._fetched))]
            return self._fetched[at]

    # Proofs

    async def _prove(self, locks: set[Lock], head: Head, path: Path, opened: Opened) -> None:
        if all(self._proofs.get(one, 0) >= enough(opened) for one in locks):
            return
        async with self._proving:
            verdict = await self.proof.fails(head.content, path, opened)
        if verdict:
            raise Locked(WRONG)
        if verdict is None:
            self._doubtful |= locks
            return
        if not opened.is_sure:
            self._unsure |= locks
        for one in locks:
            self._proofs[one] = self._proofs.get(one, 0) + opened.locked

    async def _unlocked(self, lock: Lock, work: Callable[[], T]) -> T:
        """A key that has opened something is not wrong: then the file is damaged."""
        try:
            found = await trio.to_thread.run_sync(work, limiter=TURNS)
        except WrongKey:
            raise (SourceAway if lock in self._proofs else Locked)(WRONG) from None
        except UNREADABLE as error:
            raise SourceAway(str(error)) from None
        self._proofs.setdefault(lock, 1)
        return found


def locked_reason(failures: Failures, sources: int | None) -> str:
    """Why no key opens a stretch, if so many sources say so, or any (None); else another one may
    still have it in the clear."""
    locked = [place for place, error in failures.items() if isinstance(error, Locked)]
    if sources is not None and len(locked) < sources:
        return ""
    return "; ".join(f"source {place}: {failures[place]}" for place in locked)


async def _read(work: Callable[[], T]) -> T:
    try:
        return await trio.to_thread.run_sync(work, limiter=TURNS)
    except NoKey as missing:
        raise Locked(str(missing)) from None
    except UNREADABLE as error:
        raise SourceAway(f"its encryption cannot be read: {error}") from None


def _whole(segment: Segment) -> Encryption | None:
    found = segment.encryption
    return found if found is not None and found.protection == "AES-128" else None


def _name(encryption: Encryption) -> str:
    return encryption.key_id or encryption.name


def _digits(text: str) -> bytes:
    """A key id; empty if it is none."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return b""
    return found if len(found) == KEY else b""


def _smooth_head(segment: Segment, body: bytes) -> Head:
    """Made of a manifest, which says the key's id; the fragments say the rest."""
    if segment.encryption is None:
        return Head(body)
    entry = SampleProtection("cenc", key_id=_digits(segment.encryption.key_id) or bytes(KEY))
    tracks = clear_header(bytearray(body))
    return Head(body, {one: replace(track, entries=(entry,)) for one, track in tracks.items()})
