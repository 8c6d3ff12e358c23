"""The API behind a real proxy: the same tests, each request through nginx or Caddy.

An app has a server of the engine and a proxy of its own, from its first request on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from taskengine.httpd.hypercorn_file import listen
from taskengine.httpd.serving import Server
from tests.api.described import check_answer
from tests.support.proxies import caddy, nginx

PROXIES = {"nginx": nginx, "caddy": caddy}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as Quart's test client gives one, as far as the tests look at it."""

    response: httpx.Response

    @property
    def status_code(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> httpx.Headers:
        return self.response.headers

    @property
    def content_type(self) -> str:
        return self.response.headers.get("content-type", "")

    @property
    def mimetype(self) -> str:
        return self.content_type.partition(";")[0]

    async def get_data(self, as_text: bool = False) -> str | bytes:
        return self.response.text if as_text else self.response.content

    async def get_json(self) -> Any:
        return json.loads(self.response.content)


@dataclass
class Front:
    """What stands before apps for the length of a test."""

    proxy: Callable[..., Any]
    folder: Path
    nursery: trio.Nursery
    stack: ExitStack
    urls: dict[int, tuple[Any, str]] = field(default_factory=dict)  # by app
    starting: trio.Lock = field(default_factory=trio.Lock)

    async def url(self, app: Any) -> str:
        """Of the proxy before an app, which stands for both instances."""
        async with self.starting:
            if id(app) not in self.urls:
                self.urls[id(app)] = app, await self._start(app)
        return self.urls[id(app)][1]

    async def _start(self, app: Any) -> str:
        listening, _ = listen("127.0.0.1:0", {})
        server = Server(app, stop=trio.Event())
        await self.nursery.start(server.serve, [listening])
        folder = self.folder / f"proxy-{len(self.urls)}"
        folder.mkdir()
        host, port = listening.getsockname()
        url: str = self.stack.enter_context(self.proxy([f"{host}:{port}"] * 2, folder))
        return url


def behind(api: Any, front: Front) -> Any:
    """The same Api, its requests through the proxy."""

    class Proxied(type(api)):
        def with_(self, **changes):
            return behind(super().with_(**changes), front)

        async def request(self, method, path, *, headers=None, data=b"", query_string=None, **more):
            if more:
                pytest.skip(f"nobody sends {', '.join(more)} through a proxy")
            url = await front.url(self.app) + path
            sent = httpx.Request(method, url, headers=headers, content=data, params=query_string)
            async with httpx.AsyncClient(timeout=20) as http:
                answer = Answer(await http.send(sent))
            public_reads = self.services.configuration.public_reads
            await check_answer(method, path, answer, public_reads=public_reads)
            return answer

    return Proxied(replace(api).services, api.store)
