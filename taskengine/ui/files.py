"""Files that jobs made, for the player and for whoever wants one; in parts where that is asked."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from mimetypes import guess_type
from types import TracebackType

import trio
from quart import Response, request
from quart.wrappers.response import ResponseBody
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from taskengine.api.routes import job_number
from taskengine.model import NotFound
from taskengine.ui.rendering import SAFE
from taskengine.ui.results import path_of
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit

CHUNK = 256 << 10  # bytes
TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".vtt": "text/vtt",
    ".m4s": "video/iso.segment",
    ".cmfv": "video/mp4",
    ".cmfa": "audio/mp4",
    ".cmft": "application/mp4",
}
HARMLESS = ("video/", "audio/", "image/jpeg", "image/png", "image/webp", "image/gif", "text/vtt")
PLAYLISTS = ("application/vnd.apple.mpegurl", "application/dash+xml", "application/json")
# Whatever is in the file: it is shown as nothing but what it is, and runs nothing.
HEADERS = {
    **SAFE,
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}


@dataclass
class FilePart(ResponseBody):
    """An open file, or a part of it, read when somebody takes it; closed in the end."""

    descriptor: int
    size: int
    begin: int = 0
    end: int = 0

    async def __aenter__(self) -> FilePart:
        return self

    async def __aexit__(self, kind: type, error: BaseException, trace: TracebackType) -> None:
        self.close()

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    async def __aiter__(self) -> AsyncIterator[bytes]:
        place = self.begin
        while place < self.end:
            length = min(CHUNK, self.end - place)
            chunk = await trio.to_thread.run_sync(os.pread, self.descriptor, length, place)
            if not chunk:  # it has become shorter
                return
            place += len(chunk)
            yield chunk

    async def make_conditional(self, begin: int, end: int | None) -> int:
        self.begin = begin if begin >= 0 else max(0, self.size + begin)
        self.end = self.size if end is None else min(end, self.size)
        if self.begin >= self.end:
            raise RequestedRangeNotSatisfiable
        return self.size


async def file(visit: Visit, job_id: str, name: str) -> Response:
    """A file of the job's result, or the part of it that is asked for."""
    details = await visit.job(job_number(job_id))
    area, path = await path_of(visit, details, name)
    try:
        descriptor = await trio.to_thread.run_sync(area.open, path)
    except OSError:
        raise NotFound(f"the file {name[:200]!r} is there no more") from None
    part = FilePart(descriptor, size := os.fstat(descriptor).st_size, 0, size)
    try:
        response = Response(part, headers=HEADERS, content_type=_type(name))
        response.headers["Content-Length"] = str(size)
        if not _type(name).startswith((*HARMLESS, *PLAYLISTS)):
            response.headers["Content-Disposition"] = "attachment"
        response.timeout = None
        return await response.make_conditional(request, accept_ranges=True, complete_length=size)
    except BaseException:
        part.close()
        raise


def _type(name: str) -> str:
    end = name[name.rfind(".") :].lower() if "." in name else ""
    return TYPES.get(end) or guess_type(name)[0] or "application/octet-stream"


ROUTES = [PageRoute("GET", "/jobs/<job_id>/files/<path:name>", file)]
