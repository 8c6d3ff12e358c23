"""API keys: long random texts, of which only salted hashes are stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid

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


def _digest(salt: str, key: str) -> str:
    return hashlib.sha256(f"{salt}{key}".encode("utf-8", "surrogatepass")).hexdigest()
