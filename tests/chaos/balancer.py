"""A reverse proxy for tests, as far as its upstreams can tell.

It behaves as nginx and Caddy do with their defaults: connections to upstreams are kept and used
again, `/readyz` is asked now and then, a refused connection is tried on the next upstream, and a
request that was sent and got no answer is repeated only if it is safe to repeat.
"""

from __future__ import annotations

import itertools

import httpx
import trio

from tests.chaos.bodies import send

CHECK = 0.2  # seconds between two health checks
SAFE = ("GET", "HEAD")


class Balancer(httpx.AsyncBaseTransport):
    """The transport of clients that send their requests to the proxy. Who makes one closes its
    pool, once nobody checks any more."""

    def __init__(self):
        self.upstreams: dict[str, str] = {}  # their URLs, by name
        self.pool = httpx.AsyncClient(timeout=20)
        self.ready: set[str] = set()
        self.turn = itertools.count()

    async def check(self):
        """Ask the upstreams for their health, until cancelled."""
        while True:
            for name, url in list(self.upstreams.items()):
                await self._look(name, url)
            await trio.sleep(CHECK)

    async def _look(self, name, url):
        try:
            healthy = (await self.pool.get(f"{url}/readyz")).status_code == 200
        except httpx.TransportError:
            healthy = False
        (self.ready.add if healthy else self.ready.discard)(name)

    async def handle_async_request(self, request):
        for name in self._in_turn():
            try:
                return await self._forward(self.upstreams[name], request)
            except httpx.ConnectError:
                continue
            except httpx.TransportError as error:
                if request.method not in SAFE:
                    return httpx.Response(502, text=f"{name}: {error!r}")
        return httpx.Response(502, text="no upstream")

    def _in_turn(self):
        names = sorted(self.ready) or sorted(self.upstreams)
        first = next(self.turn) % len(names)
        return names[first:] + names[:first]

    async def _forward(self, url, request):
        forwarded = self.pool.build_request(
            request.method,
            url + request.url.raw_path.decode(),
            headers={"content-type": "application/json"} | self._end_to_end(request.headers),
            content=await request.aread(),
        )
        answer = await send(self.pool, forwarded)
        return httpx.Response(answer.status_code, content=answer.content)

    @staticmethod
    def _end_to_end(headers):
        return {name: headers[name] for name in ("client", "api-key") if name in headers}
