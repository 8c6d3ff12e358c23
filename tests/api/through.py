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
OWN = {  # tests of what is between the engine and whoever connects to it, and why
    "test_any_host_header_is_lived_with": "a proxy refuses strange hosts itself",
    "test_requests_have_ids_in_and_out": "a proxy gives requests ids of its own",
    "test_a_draining_engine_refuses_submissions_and_answers_reads": "it keeps the connection",
    "test_a_stopping_engine_gives_notice_before_it_refuses": "it keeps the connection",
}
SOONER = "it answers before it has all of it: tests/deploy sends that"
OF_CADDY = {
    "test_a_large_body_is_a_413": SOONER,
    "test_the_body_may_be_larger_than_that_of_others": SOONER,
    "test_a_large_body_is_refused_unread": SOONER,
    "test_the_first_line_is_that_of_the_sample": "it answers for no host but its own",
    "test_nothing_answers_with_a_stack_trace": "it asks no engine whose health is an error",
    "test_a_key_that_is_none_is_refused_with_a_record": "it refuses control characters itself",
}
OF_NGINX = {"test_what_this_engine_does_not_know_is_paused_with_a_warning": "it refuses %00 itself"}
CLOCKS = ("autojump_clock", "mock_clock")


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


def check_seen(request: pytest.FixtureRequest) -> None:
    """Skip a test of what does not go through a proxy."""
    name, proxy = request.node.originalname, request.config.getoption("--through")
    own = OWN | (OF_CADDY if proxy == "caddy" else OF_NGINX)
    if name in own:
        pytest.skip(own[name])
    if set(CLOCKS) & set(request.fixturenames):
        pytest.skip("no socket waits by a virtual clock")


def _request(method, url, headers, data, query):
    try:
        return httpx.Request(method, url, headers=headers, content=data, params=query)
    except UnicodeEncodeError as refusal:
        pytest.skip(f"no client sends it: {refusal}")


def behind(api: Any, front: Front) -> Any:
    """The same Api, its requests through the proxy."""

    class Proxied(type(api)):
        def with_(self, **changes):
            return behind(super().with_(**changes), front)

        async def request(self, method, path, *, headers=None, data=b"", query_string=None, **more):
            if more:
                pytest.skip(f"nobody sends {', '.join(more)} through a proxy")
            url = await front.url(self.app) + path
            sent = _request(method, url, headers, data, query_string)
            async with httpx.AsyncClient(timeout=20) as http:
                try:
                    answer = Answer(await http.send(sent))
                except httpx.LocalProtocolError as refusal:
                    pytest.skip(f"no client sends it: {refusal}")
            public_reads = self.services.configuration.public_reads
            await check_answer(method, path, answer, public_reads=public_reads)
            return answer

    return Proxied(replace(api).services, api.store)
