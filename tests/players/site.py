"""A site for players: the page, results, and the AES-128 keys that an operator would hand out."""

from contextlib import asynccontextmanager
from pathlib import Path

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response, send_from_directory
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
        return await send_from_directory(assets, name, mimetype=TYPES.get(Path(name).suffix))

    @app.get("/assets/<folder>/keys/<key_id>")
    async def key(folder, key_id):
        return Response(keys[key_id], mimetype="application/octet-stream")

    @app.get("/<path:name>")
    async def page(name):
        return await send_from_directory(HERE, name)

    return app
