"""Signatures of callbacks, by Standard Webhooks: `v1`, HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import hmac
from typing import Final

PREFIX: Final = "whsec_"


def signature(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`. Raises ValueError if the secret's base64 is broken."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    digest = hmac.digest(_key(secret), signed, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def headers(secret: str | None, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a callback; `timestamp` is Unix time, whole seconds. No secret: unsigned."""
    found = {"webhook-id": webhook_id, "webhook-timestamp": str(timestamp)}
    if secret:
        found["webhook-signature"] = signature(secret, webhook_id, timestamp, body)
    return found


def _key(secret: str) -> bytes:
    """Base64 with the prefix or without, as the libraries of Standard Webhooks take it; a text
    that is no base64 is the key itself."""
    text = secret.removeprefix(PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        if not secret.startswith(PREFIX):
            return secret.encode()
        raise ValueError(f"webhook secret: expected base64 after {PREFIX}") from None
