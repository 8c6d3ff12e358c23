"""URLs of servers with a password in them: checked before they are used, and never shown.

What the drivers say of a URL that they cannot read may hold a part of its password.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

DATABASE: Final = ("postgresql", "postgres")
REDIS: Final = ("redis", "rediss", "unix")
FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
ENCODED: Final = (
    "; characters such as / ? # [ ] @ : in the user or the password have to be percent-encoded"
)


def check_database_url(url: str) -> None:
    """Raises ValueError, which says what was expected and shows nothing of it."""
    _check(url, DATABASE, "postgresql://host:5432/database")
    for name, value in parse_qsl(urlsplit(url).query):
        if name in FILES and not Path(value).is_file():
            raise ValueError(f"{name}: no such file: {value}")


def check_redis_url(url: str) -> None:
    """The same for a server of counters."""
    _check(url, REDIS, "redis://host:6379/0")


def hosts_of(url: str) -> str:
    """The hosts that a URL names, as messages may show them."""
    hosts = [unquote(host) for host, _ in _servers(urlsplit(url).netloc)]
    return ", ".join(filter(None, hosts)) or "the default host"


def _check(url: str, schemes: tuple[str, ...], example: str) -> None:
    wrong = f"expected a URL such as {example}"
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(wrong + ENCODED) from None
    if parts.scheme not in schemes or not url.startswith(f"{parts.scheme}://"):
        raise ValueError(wrong)
    ports = [port for _, port in _servers(parts.netloc)]
    fields = parts.query.split("&") if parts.query else []
    sound = (
        not parts.fragment
        and "#" not in url
        and "@" not in parts.path
        and all(port == "" or (port.isdecimal() and int(port) < 65536) for port in ports)
        and all("=" in field for field in fields)
    )
    if not sound:
        raise ValueError(wrong + ENCODED)


def _servers(netloc: str) -> Iterator[tuple[str, str]]:
    """The host and port of each server: PostgreSQL takes a list of them."""
    for server in netloc.rpartition("@")[2].split(","):
        if server.startswith("["):
            host, _, rest = server[1:].partition("]")
            yield host, rest.removeprefix(":") if rest.startswith(":") or not rest else "none"
        else:
            host, _, port = server.partition(":")
            yield host, port
