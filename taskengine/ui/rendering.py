"""Templates, and how values are written in them."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from quart import Response, request

from taskengine.model import JsonObject, LogLine
from taskengine.ui import formats

HERE = Path(__file__).parent
STATIC = HERE / "static"
THEME = "taskengine-theme"  # a cookie: light or dark; none: as the system has it
NOTICE = "taskengine-notice"  # a cookie: what the next page is to say
CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SAFE = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HEADERS = {**SAFE, "Cache-Control": "no-store"}


@dataclass(frozen=True)
class Renderer:
    """Makes pages of templates."""

    now: Callable[[], datetime]
    version: str
    environment: Environment = field(default_factory=lambda: _environment())

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """A page; what the one before it wanted to say is said on it."""
        notice = _notice()
        text = self.environment.get_template(template).render(
            up=self.up(),
            here=_here(),
            theme=request.cookies.get(THEME, ""),
            notice=notice,
            now=self.now(),
            version=self.version,
            digests=DIGESTS,
            **context,
        )
        response = Response(text, status, HEADERS, content_type="text/html; charset=utf-8")
        if notice:
            response.delete_cookie(NOTICE)
        return response

    def log_line(self, line: LogLine) -> JsonObject:
        """A line of a log, as the script adds it to a page."""
        text = self.environment.get_template("log_line.html").render(line=line)
        return {"id": line.id, "html": text}

    def up(self) -> str:
        """From the page that is asked for to /ui/, so that a proxy may put it below a prefix."""
        depth = request.path.count("/") - 2
        return "ui/" if depth < 0 else "../" * depth


def _here() -> str:
    """The page that is asked for, as forms name it to come back to."""
    place = request.path.removeprefix("/ui").lstrip("/")
    query = request.query_string.decode("utf-8", "replace")
    return f"{place}?{query}" if query else place


def _notice() -> str:
    try:
        return urlsafe_b64decode(request.cookies.get(NOTICE, "").encode()).decode()
    except ValueError:
        return ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


DIGESTS = {path.name: _digest(path) for path in STATIC.iterdir()}  # browsers may keep what has one


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= formats.FILTERS
    made.globals |= formats.GLOBALS
    return made
