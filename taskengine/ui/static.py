"""Styles, scripts and pictures of the pages: files of this program alone."""

from __future__ import annotations

from quart import Response, request

from taskengine.ui.rendering import DIGESTS, SAFE, STATIC

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"
CONTENTS = {name: (STATIC / name).read_bytes() for name in DIGESTS}


async def file(name: str) -> Response:
    """One that is asked for with its digest never changes."""
    if name not in CONTENTS:
        return Response(b"", 404, SAFE, content_type="text/plain")
    kept = request.args.get("v") == DIGESTS[name]
    headers = {**SAFE, "Cache-Control": FOREVER if kept else "no-cache"}
    kind = KINDS.get(name[name.rfind(".") :], "application/octet-stream")
    return Response(CONTENTS[name], headers=headers, content_type=kind)
