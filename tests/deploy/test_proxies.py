"""Two instances behind nginx and Caddy, with the configurations of `deploy/`."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from urllib.parse import urljoin
from uuid import uuid4

import httpx
import pytest
import trio

from taskengine.api.sizes import MAX_BATCH_BODY
from taskengine.httpd.limits import ConnectionLimits
from tests.conftest import fresh_database
from tests.support.engines import serving
from tests.support.proxies import DEPLOY, caddy, nginx
from tests.support.serving import HEADERS, KEY
from tests.support.terminals import free_port

PROXIES = {"nginx": nginx, "caddy": caddy}
BODY = {"client": "acme", "job": {"workflow": "noop"}, "parameters": {}}
SOON = 5.0  # seconds: well before a stream says something by itself
CLIENTS = 4  # of each proxy
NOTICE = 3  # seconds: Caddy looks every other one
JSON = {"Content-Type": "application/json"}
SIGNED_IN = {"client": "acme", "key": KEY}
TOO_LARGE = {"error": "the body is larger than 16 MiB"}


class Site:
    """Two instances on one database, and the proxies before them."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder, self.settings = folder, settings
        self.instances = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        self.running: dict[str, tuple[ExitStack, subprocess.Popen]] = {}
        self.urls: dict[str, str] = {}

    def start(self, instance: str) -> None:
        stack = ExitStack()
        log = self.folder / f"{instance}.log"
        process, _ = stack.enter_context(serving("--bind", instance, log=log, **self.settings))
        self.running[instance] = stack, process

    def stop(self, instance: str) -> None:
        """As a service manager does."""
        stack, process = self.running.pop(instance)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        stack.close()


@pytest.fixture(scope="module")
def site(postgres_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with fresh_database(postgres_server) as database, ExitStack() as stack:
        site = Site(
            folder,
            database_url=database,
            redis_url="none",
            data_dir=folder / "var",
            storage_default="local",
            bootstrap_client=f"acme:{KEY}",
            notice=NOTICE,
        )
        with ThreadPoolExecutor() as threads:
            list(threads.map(site.start, site.instances))
        for name, proxy in PROXIES.items():
            (folder / name).mkdir()
            site.urls[name] = stack.enter_context(proxy(site.instances, folder / name))
        yield site
        for engine, _ in site.running.values():
            engine.close()


@pytest.fixture(params=PROXIES)
def url(site, request):
    return site.urls[request.param]


@pytest.fixture
def client(url):
    with httpx.Client(base_url=url, headers=HEADERS, timeout=20) as client:
        yield client


def from_address(url: str, address: str) -> httpx.Client:
    """A client of that address, which says that it has another."""
    forged = {**HEADERS, "X-Forwarded-For": "192.0.2.7"}
    here = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=url, headers=forged, transport=here)


def submitted(client: httpx.Client) -> int:
    answer = client.post("/job", json=BODY)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def test_a_job_is_submitted_and_read(client):
    job_id = submitted(client)
    answer = client.get(f"/jobs/{job_id}")
    assert (answer.status_code, answer.json()["id"]) == (200, job_id)
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("path", "event"), [("/events", "event: job"), ("/ui/events", "event: changed")]
)
def test_events_arrive_as_they_happen(client, path, event):
    assert client.post("/ui/sign-in", data=SIGNED_IN).status_code == 303
    with client.stream("GET", path, timeout=SOON) as events:
        assert events.headers["Content-Type"].startswith("text/event-stream")
        told = events.iter_lines()
        assert list(iter(told.__next__, "")) == ["retry: 2000"]
        submitted(client)
        assert any(line == event for line in told)


@pytest.mark.parametrize("size", [MAX_BATCH_BODY + 1, 2 * MAX_BATCH_BODY])
def test_what_is_too_large_is_refused_in_the_words_of_the_engine(client, size):
    answer = client.post("/jobs/batch", content=b"[" + b" " * (size - 1), headers=JSON)
    assert (answer.status_code, answer.json()) == (413, TOO_LARGE)
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a_batch_as_large_as_may_be_is_taken(client):
    filled = json.dumps([BODY]).rjust(MAX_BATCH_BODY)
    answer = client.post("/jobs/batch", content=filled, headers=JSON)
    assert [one["result"] for one in answer.json()] == ["accepted"]


def test_a_client_is_known_by_its_address_whatever_it_says(url):
    with from_address(url, "127.0.0.2") as client:
        log = client.get(f"/logs/{submitted(client)}").json()
    assert json.loads(log[0]["message"])["remote_addr"] == "127.0.0.2"


def test_tries_to_sign_in_are_counted_by_the_address_of_the_client(url):
    wrong = {**SIGNED_IN, "key": "wrong"}
    with from_address(url, "127.0.0.3") as guessing, from_address(url, "127.0.0.4") as other:
        while guessing.post("/ui/sign-in", data=wrong).status_code != 429:
            pass
        assert other.post("/ui/sign-in", data=wrong).status_code != 429


def test_links_below_a_prefix_lead_to_where_they_are(client, url):
    submitted(client)
    submitted(client)
    page = client.get("/te/jobs?limit=1")
    assert page.status_code == 200
    second = urljoin(str(page.url), page.links["next"]["url"])
    assert second.startswith(f"{url}/te/jobs?")
    assert client.get(second).json()[0]["id"] != page.json()[0]["id"]
    sent_away = client.get("/te/ui/jobs")
    assert urljoin(str(sent_away.url), sent_away.headers["Location"]).startswith(f"{url}/te/ui/")


def test_nginx_answers_a_client_that_has_closed_its_sending_side(site):
    """Caddy does not: Go takes it for a client that has gone."""
    host, _, port = site.urls["nginx"].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=SOON) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("file", ["nginx/taskengine.conf", "nginx/compose.conf", "caddy/Caddyfile"])
def test_proxies_let_go_of_a_connection_before_the_engine_does(file):
    """nginx by default, after 60 s."""
    text = (DEPLOY / file).read_text("utf-8")
    [kept] = re.findall(r"\bkeepalive (?:(\d+)s$|64;)", text, re.MULTILINE)
    assert float(kept or 60) < ConnectionLimits().idle


async def test_a_restart_of_an_instance_fails_no_request(site):
    """Submissions have a key, so that nginx may send them again."""
    answers: list[tuple[str, int]] = []

    async def load(client: httpx.AsyncClient) -> None:
        while True:
            key = {"Idempotency-Key": str(uuid4())}
            posted = await client.post("/job", json=BODY, headers=key)
            read = await client.get("/jobs?limit=1")
            answers.extend((one.text, one.status_code) for one in (posted, read))

    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        for url in list(site.urls.values()) * CLIENTS:
            client = httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=20)
            nursery.start_soon(load, await stack.enter_async_context(client))
        await trio.to_thread.run_sync(site.stop, site.instances[0])
        alone = len(answers)
        await trio.to_thread.run_sync(site.start, site.instances[0])
        assert len(answers) > alone > 0
        nursery.cancel_scope.cancel()
    assert [one for one in answers if one[1] != 200] == []
