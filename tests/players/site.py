"""A site for players: the page, results, and the AES-128 keys that an operator would hand out."""

from contextlib import asynccontextmanager
from mimetypes import guess_type
from pathlib import Path

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response, request
from quart_trio import QuartTrio

HERE = Path(__file__).parent
TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml"}


@asynccontextmanager
async def serving(assets, keys):
    """Yields the URL of the site: `/assets/…` is a folder. `keys` may be filled in later."""
    config = Config()
    config.bind, config.errorlog = ["127.0.0.1:0"], None
    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(serve, _app(assets, keys), config)
        yield url
        nursery.cancel_scope.cancel()


def _app(assets, keys):
    app = QuartTrio(__name__, static_folder=None)

    @app.get("/assets/<path:name>")
    async def result(name):
        return await _whole(assets / name)

    @app.get("/assets/<folder>/keys/<key_id>")
    async def key(folder, key_id):
        return Response(keys[key_id], mimetype="application/octet-stream")

    @app.get("/<path:name>")
    async def page(name):
        return await _whole(HERE / name)

    return app


async def _whole(path):
    """From memory: a file that is sent piece by piece stays open when a browser hangs up."""
    kind = TYPES.get(path.suffix) or guess_type(path.name)[0]
    found = Response(path.read_bytes() if path.is_file() else b"", mimetype=kind)
    found.status_code = 200 if path.is_file() else 404
    return await found.make_conditional(
        request, accept_ranges=True, complete_length=found.content_length
    )
