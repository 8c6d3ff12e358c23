"""What the demonstration serves: its live stream, its results, and a page that plays them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response, send_from_directory
from quart_trio import QuartTrio

from taskengine.demo.live import MASTER

TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".mp4": "video/mp4",
    ".m4s": "video/mp4",
    ".vtt": "text/vtt",
}
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Task Engine: demonstration</title>
<style>body {{ font-family: sans-serif }} video {{ width: 40em; max-width: 100% }}</style>
{videos}"""


@dataclass(slots=True)
class Site:
    """`films` are what the page shows: a title, and files of which a browser plays the first that
    it can."""

    output: Path
    url: str = ""
    films: list[tuple[str, list[Path]]] = field(default_factory=list)

    @property
    def live(self) -> str:
        """The URL of the live stream."""
        return f"{self.url}/live/{MASTER}"

    @property
    def page(self) -> str:
        videos = [_video("Live", [f"/live/{MASTER}"])]
        for title, files in self.films:
            paths = [f"/output/{file.relative_to(self.output)}" for file in files]
            videos.append(_video(title, paths))
        return PAGE.format(videos="".join(videos))


def _video(title: str, paths: Sequence[str]) -> str:
    sources = "".join(
        f'<source src="{quote(path)}" type="{TYPES[PurePosixPath(path).suffix]}">' for path in paths
    )
    return f"<h2>{escape(title)}</h2>\n<video controls>{sources}</video>\n"


@asynccontextmanager
async def running_site(live: Path, output: Path) -> AsyncIterator[Site]:
    """Serve the folders as `/live` and `/output`, on a free port, for the length of the block."""
    site, config = Site(output), Config()
    config.bind, config.errorlog = ["127.0.0.1:0"], None
    async with trio.open_nursery() as nursery:
        [site.url] = await nursery.start(
            serve, _app(site, {"live": live, "output": output}), config
        )
        yield site
        nursery.cancel_scope.cancel()


def _app(site: Site, folders: dict[str, Path]) -> QuartTrio:
    app = QuartTrio(__name__, static_folder=None)

    @app.get("/")
    async def page() -> Response:
        return Response(site.page, mimetype="text/html")

    @app.get("/<any(live, output):folder>/<path:name>")
    async def file(folder: str, name: str) -> Response:
        kind = TYPES.get(PurePosixPath(name).suffix)
        return await send_from_directory(folders[folder], name, mimetype=kind, cache_timeout=0)

    return app
