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
import trio

from taskengine.httpd.hypercorn_file import listen
from taskengine.httpd.serving import Server
from tests.api.described import check_answer
from tests.support.proxies import caddy, nginx
from tests.support.terminals import free_port

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
    def mimetype(self) -> str:
        return self.response.headers.get("content-type", "").partition(";")[0]

    async def get_data(self, as_text: bool = True) -> str | bytes:
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

    async def url(self, app: Any) -> str:
        """Of the proxy before an app."""
        if id(app) not in self.urls:
            listening, _ = listen("127.0.0.1:0", {})
            server = Server(app, stop=trio.Event())
            await self.nursery.start(server.serve, [listening])
            folder = self.folder / str(len(self.urls))
            folder.mkdir()
            host, port = listening.getsockname()
            instances = [f"{host}:{port}", f"127.0.0.1:{free_port()}"]  # the other one is away
            url = self.stack.enter_context(self.proxy(instances, folder))
            self.urls[id(app)] = app, url
        return self.urls[id(app)][1]


def behind(api: Any, front: Front) -> Any:
    """The same Api, its requests through the proxy."""

    class Proxied(type(api)):
        def with_(self, **changes):
            return behind(super().with_(**changes), front)

        async def request(self, method, path, *, headers=None, data=b"", query_string=None):
            url = await front.url(self.app) + path
            sent = httpx.Request(method, url, headers=headers, content=data, params=query_string)
            async with httpx.AsyncClient(timeout=20) as http:
                answer = Answer(await http.send(sent))
            public_reads = self.services.configuration.public_reads
            await check_answer(method, path, answer, public_reads=public_reads)
            return answer

    return Proxied(replace(api).services, api.store)
