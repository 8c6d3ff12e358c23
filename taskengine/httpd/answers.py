"""What is answered where no application is asked: requests that are no HTTP, or come too late."""

from __future__ import annotations

import json
import re
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import urlsplit

import h11

QUOTED = re.compile(r""":? b(?:ytearray\(b)?['"]""")  # where h11 quotes what came
NO_SNIFFING = (b"x-content-type-options", b"nosniff")
TOO_LATE = "the head of the request did not come in time"
TOO_MANY = "too many connections"
FAILED = "internal error"


class ConnectionRefused(Exception):
    """A request that the server does not pass on."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status
        self.told = told


def refusal(error: h11.RemoteProtocolError, received: bytes) -> ConnectionRefused:
    """What to answer to what h11 does not understand; without the line, which may hold a key."""
    told = QUOTED.split(str(error), maxsplit=1)[0]
    status = error.error_status_hint
    if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        told = "the head of the request is too large"
        if b"\n" not in received:
            status, told = HTTPStatus.REQUEST_URI_TOO_LONG, "the request line is too long"
    elif told == "illegal request line":
        told += ": expected METHOD PATH HTTP/1.1, characters other than ASCII percent-encoded"
    return ConnectionRefused(status, told)


def check(request: h11.Request) -> None:
    """Raises ConnectionRefused for what h11 lets pass: RFC 9110, 9.1, and RFC 9112, 2.3 and 6.1."""
    if not request.http_version.startswith(b"1."):
        version = request.http_version.decode()
        raise ConnectionRefused(505, f"HTTP/{version} is not served, HTTP/1.1 is")
    if not request.method.isupper():
        raise ConnectionRefused(501, "no such method: methods are written in upper case")
    if not request.target.startswith(b"/"):
        _check_url(request.target)
    names = [name for name, _ in request.headers]
    if b"transfer-encoding" in names:
        if b"content-length" in names:
            raise ConnectionRefused(400, "Content-Length and Transfer-Encoding exclude each other")
        if request.http_version == b"1.0":
            raise ConnectionRefused(400, "HTTP/1.0 has no Transfer-Encoding")


def _check_url(target: bytes) -> None:
    """Raises ConnectionRefused for an absolute URL that no application can read."""
    try:
        urlsplit(target)
    except ValueError:
        raise ConnectionRefused(400, "the URL of the request cannot be read") from None


def written(refused: ConnectionRefused) -> bytes:
    """An answer as bytes, after which the connection ends."""
    body = json.dumps({"error": refused.told}).encode()
    retry = "retry-after: 5\r\n" if refused.status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}\r\n"
        f"date: {formatdate(usegmt=True)}\r\ncontent-type: application/json\r\n"
        f"x-content-type-options: nosniff\r\ncontent-length: {len(body)}\r\n"
        f"{retry}connection: close\r\n\r\n"
    )
    return head.encode() + body
