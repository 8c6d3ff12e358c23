"""How a request came, as the first line of its job's log tells it (`workflows.md` 5.5)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from quart import current_app, request

from taskengine.masking import is_secret, masked, masked_text
from taskengine.model import JsonObject
from taskengine.texts import clean_text

FIRST = (
    "x-auth-key",
    "api-key",
    "x-api-key",
    "accept",
    "user-agent",
    "host",
    "accept-encoding",
)
KEYS = frozenset(FIRST[:3])


def origin() -> JsonObject:
    """`path`, `remote_addr` and `headers`, the secret ones masked."""
    return {
        "path": f"{request.method} {request.path.rstrip('/')}",
        "remote_addr": remote_address(),
        "headers": dict(_headers()),
    }


def remote_address() -> str:
    """The peer, or who a reverse proxy says it is: one on this host, or of the option `proxies`."""
    direct = peer()
    if not _is_proxy(direct):
        return direct
    lines = request.headers.getlist("X-Forwarded-For")  # a proxy may add one, or to the last one
    last = lines[-1].rpartition(",")[2].strip() if lines else ""
    return last if _is_address(last) else direct


def header_text(name: str) -> str:
    """A header as text that any store can keep."""
    return clean_text(request.headers.get(name, ""))


def peer() -> str:
    """Who is at the other end of the connection."""
    client = request.scope.get("client")
    return str(client[0]) if client else ""


def _is_proxy(address: str) -> bool:
    """Whether X-Forwarded-For of a peer is believed."""
    if is_loopback(address):
        return True
    known = ip_address(address)
    return any(known in network for network in current_app.config["PROXIES"])


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def is_loopback(text: str) -> bool:
    return not _is_address(text) or ip_address(text).is_loopback


def _headers() -> Iterator[tuple[str, str]]:
    """In the order of the contract's sample, then the others as they came."""
    yield "HTTP_VERSION", f"HTTP/{request.http_version}"
    sent: dict[str, str] = {}
    for raw_name, raw_value in request.scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        sent[name] = f"{sent[name]}, {value}" if name in sent else value
    for name in (
        *(name for name in FIRST if name in sent),
        *(name for name in sent if name not in FIRST),
    ):
        yield f"HTTP_{name.upper().replace('-', '_')}", _shown(name, sent[name])


def _text(raw: bytes) -> str:
    return clean_text(raw.decode("utf-8", "replace"))


def _shown(name: str, value: str) -> str:
    if name in KEYS:  # all but the last four characters
        return str(masked({name: value}, KEYS)[name])
    return "*" * len(value) if is_secret(name) else masked_text(value)
