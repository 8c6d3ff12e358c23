"""GET /docs: the API's document as a page, from files of this program alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from quart import Response

from taskengine.api.openapi.operation import TEXT, CallerAccess, Operation, ResponseSpec
from taskengine.api.routes import Route
from taskengine.api.services import Services

FOLDER = Path(__file__).parents[2] / "web" / "docs"
FILES = {
    "/docs": ("index.html", "text/html", "Every endpoint, readable, with forms to try it"),
    "/docs/page.js": ("page.js", "text/javascript", "The script of that page"),
    "/docs/page.css": ("page.css", "text/css", "The style of that page"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


async def _file(content: bytes, media: str) -> Response:
    return Response(content, headers=HEADERS, content_type=media)


def routes(services: Services) -> Sequence[Route]:
    made = []
    for path, (name, media, summary) in FILES.items():
        charset = f"{media}; charset=utf-8"
        about = Operation(
            summary, "about", ResponseSpec("The file.", TEXT, media), CallerAccess.OPEN, store=False
        )
        content = (FOLDER / name).read_bytes()
        made.append(Route("GET", path, partial(_file, content, charset), about))
    return made
