"""The keys that a job gives to open a clip."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from taskengine.capture.encryption.playready import SEED, content_key, swapped
from taskengine.model import PermanentFailure

KEY: Final = 16  # bytes
DIGITS: Final = re.compile(r"[0-9A-Fa-f]{32}")


class NoKey(Exception):
    """Nobody gave a key for what is to be opened; the message says for what."""


@dataclass(frozen=True, slots=True)
class ClipKeys:
    """A key, with the id that it is for if that was told; or a seed that keys are made of."""

    key_ids: tuple[bytes, ...] = ()  # one, in each order of bytes that may be meant
    content_key: bytes = field(default=b"", repr=False)
    seed: bytes = field(default=b"", repr=False)

    @property
    def are_given(self) -> bool:
        return bool(self.content_key or self.seed)

    def of(self, key_id: bytes) -> bytes:
        """The key for an id; empty: the stream does not say which. Raises NoKey."""
        if self.seed and key_id:
            return content_key(self.seed, key_id)
        if self.seed:
            raise NoKey("the stream does not say its key id, which a seed needs")
        if self.content_key and (not key_id or not self.key_ids or key_id in self.key_ids):
            return self.content_key
        named = f"the key id {key_id.hex()}" if key_id else "it"
        raise NoKey(f"no key was given for {named}")

    @classmethod
    def read(cls, place: int, said: Mapping[str, Any]) -> ClipKeys:
        """Of a clip's parameters. Raises PermanentFailure that names the field, not its value."""
        given = {name: said.get(name) or "" for name in ("key_id", "content_key", "seed")}
        seed, key = given["seed"], given["content_key"]
        if seed and (key or given["key_id"]):  # A64
            raise PermanentFailure(
                f"clips[{place}]: seed stands in place of key_id and content_key"
            )
        if given["key_id"] and not key:
            raise PermanentFailure(f"clips[{place}].content_key: required beside key_id")
        key_id = _sixteen(place, "key_id", given["key_id"])
        orders = (key_id,) if _is_hexadecimal(given["key_id"]) else (key_id, swapped(key_id))
        return cls(
            orders if given["key_id"] else (),
            _sixteen(place, "content_key", key) if key else b"",
            _seed(place, seed) if seed else b"",
        )


def _is_hexadecimal(text: str) -> bool:
    return DIGITS.fullmatch(text.strip().replace("-", "")) is not None


def _sixteen(place: int, name: str, text: str) -> bytes:
    """A69: 32 hexadecimal digits, a UUID's dashes allowed, or base64 of 16 bytes."""
    if not text:
        return bytes(KEY)
    if _is_hexadecimal(text):
        return bytes.fromhex(text.strip().replace("-", ""))
    found = _base64(text)
    if len(found) != KEY:
        raise PermanentFailure(
            f"clips[{place}].{name}: expected 32 hexadecimal digits, or base64 of 16 bytes"
        )
    return found


def _seed(place: int, text: str) -> bytes:
    found = _base64(text)
    if len(found) < SEED:
        raise PermanentFailure(
            f"clips[{place}].seed: expected base64 of a PlayReady key seed,"
            f" which has at least {SEED} bytes"
        )
    return found


def _base64(text: str) -> bytes:
    try:
        return b64decode(text.strip(), validate=True)
    except ValueError:
        return b""
