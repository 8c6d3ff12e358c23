"""hypercorn.toml: sockets, TLS and limits, by the names that hypercorn has for them."""

from __future__ import annotations

import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from socket import socket
from typing import Any

from hypercorn.config import Config

from taskengine.httpd.limits import ConnectionLimits
from taskengine.model import BadInput

SOCKETS = ("backlog", "certfile", "keyfile", "keyfile_password", "ca_certs", "ciphers")
LIMITS = {
    "graceful_timeout": "grace",
    "keep_alive_timeout": "idle",
    "keep_alive_max_requests": "requests",
    "h11_max_incomplete_size": "head_size",
}


def read_hypercorn_file(file: Path) -> Mapping[str, Any]:
    """What the file says; nothing where there is none. Raises BadInput."""
    if not file.is_file():
        return {}
    try:
        settings = tomllib.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise BadInput(f"{file}: {error}") from None
    if unknown := sorted(set(settings) - {*SOCKETS, *LIMITS}):
        known = ", ".join((*SOCKETS, *LIMITS))
        raise BadInput(f"{file}: {unknown[0]}: not known, expected some of {known}")
    for name in LIMITS:
        if name in settings and not (isinstance(settings[name], int) and settings[name] > 0):
            raise BadInput(f"{file}: {name}: expected a whole number above 0")
    return settings


def limited(limits: ConnectionLimits, settings: Mapping[str, Any]) -> ConnectionLimits:
    """With the limits that the file has."""
    return replace(limits, **{LIMITS[name]: settings[name] for name in LIMITS if name in settings})


def hypercorn_configuration(limits: ConnectionLimits) -> Config:
    """What hypercorn is told of the limits; the others are no settings of it."""
    settings = {
        "errorlog": None,
        "h11_max_incomplete_size": limits.head_size,
        "include_server_header": False,
        "keep_alive_max_requests": limits.requests,
        "ssl_handshake_timeout": limits.head,
    }
    return Config.from_mapping(settings)


def listen(bind: str, settings: Mapping[str, Any]) -> tuple[socket, ssl.SSLContext | None]:
    """A socket that listens, and what its connections are encrypted with. Raises OSError."""
    names = {name: settings[name] for name in SOCKETS if name in settings}
    config = Config.from_mapping({**names, "bind": [bind], "alpn_protocols": ["http/1.1"]})
    tls = config.create_ssl_context()
    opened = config.create_sockets()
    (listening,) = (*opened.secure_sockets, *opened.insecure_sockets)
    listening.set_inheritable(False)
    listening.listen(config.backlog)
    return listening, tls
