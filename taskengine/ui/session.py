"""Who is signed in: a cookie that names the client, until when, and whether it may only look.

It is signed with the hash of the client's key, which never leaves the database, and with the
setting `session_secret`: a new key ends all sessions of its client, on every instance, and nothing
has to be stored. Without that setting, who has a copy of the database could sign a cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from taskengine.model import Client
from taskengine.texts import clean_text, read_json

COOKIE = "taskengine-session"
LASTS = timedelta(hours=12)
LONGEST = 4_000  # characters of a cookie that is looked at


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a session's cookie says; `nonce` tells it from all others."""

    client: str
    expires_at: int  # Unix time
    read_only: bool
    nonce: str

    @property
    def text(self) -> str:
        content = json.dumps([self.client, self.expires_at, self.read_only, self.nonce])
        return urlsafe_b64encode(content.encode()).decode()

    @classmethod
    def read(cls, text: str) -> Ticket | None:
        """What the text says, whether it is true or not; None: nothing."""
        try:
            client, expires_at, read_only, nonce = read_json(
                urlsafe_b64decode(text.encode()).decode()
            )
        except (ValueError, TypeError):
            return None
        good = isinstance(client, str) and isinstance(expires_at, int) and isinstance(nonce, str)
        good = good and client == clean_text(client)  # the store is asked for it before it is known
        return cls(client, expires_at, read_only is not False, nonce) if good else None

    def signature(self, client: Client, secret: str, purpose: str = "session") -> str:
        key = hashlib.sha256(f"{secret}\0{client.key_hash}".encode()).digest()
        return hmac.new(key, f"{purpose}\0{self.text}".encode(), hashlib.sha256).hexdigest()


def new_ticket(client: Client, now: datetime, *, read_only: bool) -> Ticket:
    expires_at = int((now + LASTS).timestamp())
    return Ticket(client.name, expires_at, read_only, secrets.token_urlsafe(16))


def signed(ticket: Ticket, client: Client, secret: str) -> str:
    """The cookie of a session."""
    return f"{ticket.text}.{ticket.signature(client, secret)}"


def split(cookie: str) -> tuple[Ticket | None, str]:
    """What a cookie says, and its signature, which is still to be checked."""
    text, _, signature = cookie[:LONGEST].partition(".")
    return Ticket.read(text), signature


def holds(
    ticket: Ticket, signature: str, client: Client | None, secret: str, now: datetime
) -> bool:
    """Whether a cookie is what it seems, and its time is not over."""
    if client is None or client.name != ticket.client:
        return False
    true = hmac.compare_digest(ticket.signature(client, secret).encode(), signature.encode())
    return true and now < datetime.fromtimestamp(min(ticket.expires_at, 2**40), UTC)


def form_token(ticket: Ticket, client: Client, secret: str) -> str:
    """What each form of a session carries: no other site knows it."""
    return ticket.signature(client, secret, "form")[:32]
