"""Clients' names, and their keys: long random texts, of which only salted hashes are stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import replace
from datetime import datetime

from taskengine.model import Client

MAX_NAME = 100  # characters
SCHEME = "sha256"  # fast on purpose: keys are random, so there is nothing to guess


def new_key() -> str:
    """A key of 122 random bits, in 36 characters."""
    return str(uuid.uuid4())


def hash_key(key: str) -> str:
    """What is stored of a key: `sha256$salt$hex`."""
    salt = secrets.token_hex(16)
    return f"{SCHEME}${salt}${_digest(salt, key)}"


def verify(key: str, stored: str) -> bool:
    """Whether the key is the one that was hashed, in a time that does not tell how nearly."""
    scheme, _, rest = stored.partition("$")
    salt, _, digest = rest.partition("$")
    same = hmac.compare_digest(_digest(salt, key).encode(), digest.encode())
    return same and scheme == SCHEME


def opens(key: str, client: Client | None, now: datetime) -> bool:
    """Whether it is the client's key, or the one before while that holds. An unknown client takes
    the same time."""
    if client is None:
        return verify(key, NOBODY) and False
    known = verify(key, client.key_hash)
    if client.former_key_hash is None or client.former_until is None:
        return known
    return known or (now < client.former_until and verify(key, client.former_key_hash))


def rotated(client: Client, key: str, former_until: datetime) -> Client:
    """The client with another key; the one that it has now opens until then."""
    return replace(
        client,
        key_hash=hash_key(key),
        former_key_hash=client.key_hash,
        former_until=former_until,
    )


def wrong_name(name: str) -> str | None:
    """What a client's name is to be, if it is not: it is a header's value, and a folder below
    config/workflows/clients."""
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= MAX_NAME:
        return f"expected 1 to {MAX_NAME} printable characters"
    if set(name) & set("/\\:") or name.startswith("."):
        return "expected no '/', '\\' or ':', and no '.' in front"
    return None


def wrong_key(key: str) -> str | None:
    """The same of a key."""
    good = key and key.isprintable() and key.isascii() and key == key.strip()
    return None if good else "expected printable ASCII characters"


def _digest(salt: str, key: str) -> str:
    return hashlib.sha256(f"{salt}{key}".encode("utf-8", "surrogatepass")).hexdigest()


NOBODY = hash_key(new_key())
