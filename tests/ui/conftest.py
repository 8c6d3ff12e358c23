"""Visitors of the pages, on the app of the API tests: a store in memory, a clock that stands."""

import re
from dataclasses import dataclass, field
from html import unescape

import pytest

from taskengine.ui import add_pages
from tests.api.conftest import KEY, NOW, compiled_once, open_api, world

__all__ = ["compiled_once", "world"]  # fixtures
FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass
class Seen:
    """An answer."""

    status: int
    text: str
    headers: dict
    raw: bytes = b""

    @property
    def token(self):
        return re.search(r'name="token" value="(\w+)"', self.text)[1]

    @property
    def plain(self):
        """What a person reads of it."""
        text = re.sub(r"<(script|style)\b.*?</\1>", " ", self.text, flags=re.DOTALL)
        text = re.sub(r"<[^>]+>", " ", text.replace("<wbr>", ""))
        return " ".join(unescape(text).split())


@dataclass
class Visitor:
    """A browser without a script: it keeps cookies, and sends forms."""

    app: object
    cookies: dict = field(default_factory=dict)

    async def get(self, path, **headers):
        return await self._send("GET", path, headers, None)

    async def post(self, path, headers=None, **fields):
        """A form, as a page of the session would send it; with `token=None` one of nobody."""
        if "token" not in fields:
            fields["token"] = (await self.get("settings")).token
        fields = {name: value for name, value in fields.items() if value is not None}
        return await self._send("POST", path, {**FORM, **(headers or {})}, fields)

    async def sign_in(self, client="root", key=KEY, **fields):
        return await self._send("POST", "sign-in", FORM, {"client": client, "key": key, **fields})

    async def _send(self, method, path, headers, fields):
        from urllib.parse import urlencode

        client = self.app.test_client(use_cookies=False)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await client.open(
            f"/ui/{path}",
            method=method,
            headers={**headers, **({"cookie": cookie} if cookie else {})},
            data=None if fields is None else urlencode(fields),
        )
        for one in answer.headers.getlist("Set-Cookie"):
            name, _, value = one.partition(";")[0].partition("=")
            self.cookies[name] = value
        raw = await answer.get_data(as_text=False)
        return Seen(answer.status_code, raw.decode("utf-8", "replace"), answer.headers, raw)


@pytest.fixture
async def api(nursery):
    api = await open_api(nursery)
    add_pages(api.app, api.services)
    return api


@pytest.fixture
def stranger(api):
    return Visitor(api.app)


@pytest.fixture
def visitor(api):
    """Signs in as a client."""

    async def visitor(client="root", **fields):
        one = Visitor(api.app)
        assert (await one.sign_in(client, **fields)).status == 303
        return one

    return visitor


@pytest.fixture
async def admin(visitor):
    return await visitor("root")


@pytest.fixture
async def owner(visitor):
    return await visitor("demo-client")


@pytest.fixture
def now():
    return NOW
