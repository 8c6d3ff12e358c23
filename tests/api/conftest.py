"""The real app on a store in memory, with a real intake."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from queue import Queue

import pytest
import trio
from werkzeug.routing import Rule

from taskengine.actors.definitions import Definitions
from taskengine.actors.event_feed import EventFeed
from taskengine.actors.intake import Intake
from taskengine.api.app import create_app
from taskengine.api.services import Services
from taskengine.api_keys import hash_key
from taskengine.configuration import Configuration
from taskengine.counters.memory import MemoryCounters
from taskengine.httpd.hypercorn_file import listen
from taskengine.httpd.serving import Server, url_of
from taskengine.messages import Submit, Wake
from taskengine.model import Client
from taskengine.runtime.mailbox import Mailbox
from taskengine.store.memory import MemoryStore
from taskengine.testing.contract.world import World
from taskengine.workflows.library import Library
from taskengine.workflows.workflow import Workflow
from tests.api.changing import send
from tests.api.described import BUILT_IN, check_answer
from tests.api.through import PROXIES, Front, behind, check_seen

NOW = datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
TEXT = {"type": "string"}
WORKFLOWS = [
    {
        "workflow": "drmswitch",
        "summary": "Switch DRM on or off.",
        "parameters": {
            "type": "object",
            "required": ["content_id", "folder"],
            "properties": {
                "content_id": TEXT,
                "folder": TEXT,
                "enable_drm": {"type": "boolean", "default": False},
                "token": {"type": "string", "writeOnly": True},
                "source_storage": {"type": "string", "default": "{{ client.storage }}"},
                "label": {"type": "string", "default": "{{ job.workflow }} {{ job.priority }}"},
            },
        },
        "tasks": [
            {"name": "get_filenames", "action": "core.noop"},
            {"name": "rename_manifests", "action": "core.noop"},
        ],
    },
    {
        "workflow": "vodcapture",
        "parameters": {
            "type": "object",
            "required": ["clips"],
            "properties": {
                "clips": {"type": "array", "items": {"type": "object"}},
                "continuous_capture": {"type": "boolean", "default": False},
            },
        },
        "clips": {"from": "clips", "start": "start", "end": "end"},
        "tasks": [{"name": "capture", "action": "core.noop"}],
    },
]


def library():
    workflows = [Workflow.from_content({**content, "client": None}) for content in WORKFLOWS]
    return Library({(None, workflow.name): workflow for workflow in workflows})


@pytest.fixture(scope="session", autouse=True)
def compiled_once():
    """The code that writes URLs, which nobody asks for, takes most of an app's making."""
    compiled, known = Rule._compile_builder, {}

    def compile_builder(rule, append_unknown=True):
        key = (rule.rule, append_unknown)
        if key not in known:
            known[key] = compiled(rule, append_unknown)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_builder)
        yield


@dataclass
class Api:
    """What tests do: requests as a client of the engine, and a look at its store."""

    services: Services
    store: MemoryStore

    def with_(self, **changes):
        return Api(replace(self.services, **changes), changes.get("store", self.store))

    @cached_property
    def app(self):
        """Made once: to compile its routes takes longer than to answer."""
        return create_app(self.services)

    async def request(self, method, path, **options):
        answer = await self.app.test_client(use_cookies=False).open(path, method=method, **options)
        public_reads = self.services.configuration.public_reads
        path = options.get("scope_base", {}).get("path", path)
        await check_answer(method, path, answer, public_reads=public_reads)
        return answer

    async def get(self, path, client="demo-client", key=KEY, **options):
        headers = {"client": client, "api-key": key, **options.pop("headers", {})}
        return await self.request("GET", path, headers=headers, **options)

    async def post(self, path, body, client="demo-client", key=KEY, **options):
        headers = {"client": client, "api-key": key, "content-type": "application/json"}
        headers |= options.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return await self.request("POST", path, headers=headers, data=data, **options)

    async def accepted(self, body, **options):
        """Submit what has to be accepted; the id as a number."""
        answer = await self.post(options.pop("path", "/job"), body, **options)
        content = await answer.get_json()
        assert answer.status_code == 200, content
        assert content == {"id": content["id"], "result": "accepted"}
        return int(content["id"])

    async def refused(self, body, **options):
        """Submit what has to be refused and recorded; the id and the reason."""
        answer = await self.post("/job", body, **options)
        content = await answer.get_json()
        assert answer.status_code == 400
        assert list(content) == ["id", "error"]
        assert isinstance(content["id"], str)
        return int(content["id"]), content["error"]

    async def lines(self, job_id):
        return [line async for page in self.store.log(job_id) for line in page]

    async def job(self, job_id):
        details = await self.store.job(job_id)
        assert details is not None
        return details


def job_body(**parameters):
    """A submission that is accepted; `job=` replaces its job object."""
    job = {"workflow": "drmswitch", **parameters.pop("job", {})}
    return {
        "client": "demo-client",
        "parameters": {"content_id": "c-77", "folder": "vod/c-77", **parameters},
        "job": job,
    }


@pytest.fixture
def body():
    return job_body


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def api_key():
    return KEY


@pytest.fixture
async def api(nursery, request, tmp_path):
    api = await open_api(nursery)
    if proxy := request.config.getoption("--through"):
        check_seen(request)
        with ExitStack() as stack:
            yield behind(api, Front(PROXIES[proxy], tmp_path, nursery, stack))
    else:
        yield api


async def open_api(nursery):
    store = MemoryStore()
    for name, admin in (("root", True), ("demo-client", False), ("other", False)):
        options = {"storage": "azure_blob"} if name == "other" else {}
        await store.put_client(Client(name, hash_key(KEY), admin, options))
    mailbox = Mailbox[Submit](100)
    wakes = Mailbox[Wake](1)
    event_feed = EventFeed(store, partial(wakes.address.hint, Wake()))
    services = Services(
        configuration=Configuration(),
        store=store,
        definitions=Definitions(store),
        counters=MemoryCounters(),
        intake=mailbox.address,
        library=library,
        now=lambda: NOW,
        leaving=lambda: False,
        draining=lambda: False,
        changed=lambda: None,
        version="1.169.3",
        event_feed=event_feed,
    )
    nursery.start_soon(event_feed.run, wakes)
    nursery.start_soon(Intake(store, lambda: NOW, lambda: None).run, mailbox)
    return Api(services, store)


@pytest.fixture
def put(api, api_key):
    """An update of a job: what it is answered."""

    async def put(number, body, client="demo-client", **headers):
        headers = {"key": api_key, **headers}
        return await send(api, "PUT", f"/job/{number}", body, client, **headers)

    return put


@pytest.fixture
def updated(put):
    async def updated(number, body, names, **headers):
        answer = await put(number, body, **headers)
        assert answer == (200, {"id": str(number), "result": f"Performed updates: {names}"})

    return updated


@pytest.fixture
def rerun(api, api_key):
    async def rerun(number, client="demo-client", path="jobs", body=b"", **headers):
        headers = {"key": api_key, "content-type": None, **headers}
        return await send(api, "POST", f"/{path}/{number}/rerun", body, client, **headers)

    return rerun


@pytest.fixture
async def world(api, now):
    """The store behind the app, and an instance that works on its jobs."""
    world = World(api.store)
    world.instance = await api.store.join("one", now)
    await api.store.put_setting("", "max_jobs", "10")
    return world


@pytest.fixture(scope="session")
def served_api():
    """The URL of the app on a real socket, with some jobs in its store; in a thread of its own."""
    ready = Queue()
    thread = threading.Thread(target=_serve, args=[ready])
    thread.start()
    url, token, stop = ready.get(timeout=30)
    yield url
    token.run_sync_soon(stop.set)
    thread.join(30)


def _serve(ready):
    async def serve():
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            api = (await open_api(nursery)).with_(library=lambda: BUILT_IN)
            for number in range(3):
                await api.accepted(job_body(content_id=f"c-{number}"))
            listening, _ = listen("127.0.0.1:0", {})
            server = Server(create_app(api.services), stop=stop)
            await nursery.start(server.serve, [listening])
            url = url_of(listening, tls=False)
            ready.put((url, trio.lowlevel.current_trio_token(), stop))
            await stop.wait()
            nursery.cancel_scope.cancel()

    trio.run(serve)


@dataclass
class Integrator:
    """A client of the original API: it knows paths, headers and samples, and nothing else."""

    api: Api
    client: str = "demo-client"

    async def send(self, method, path, content=None, **headers):
        """The status and the JSON of an answer; a header given as None is left out."""
        known = {"client": self.client, "api-key": KEY, "content-type": "application/json"}
        sent = {**known, **{name.replace("_", "-"): value for name, value in headers.items()}}
        sent = {name: value for name, value in sent.items() if value is not None}
        data = content if isinstance(content, bytes | None) else json.dumps(content).encode()
        answer = await self.api.request(method, path, headers=sent, data=data or b"")
        assert answer.mimetype == "application/json", await answer.get_data()
        return answer.status_code, await answer.get_json()

    async def open(self, path):
        """A read without any header."""
        answer = await self.api.request("GET", path)
        return answer.status_code, await answer.get_json()

    async def submitted(self, **job):
        """The id of a new job; what is given goes into its `job`."""
        status, content = await self.send("POST", "/job", job_body(job=job))
        assert status == 200, content
        return content["id"]

    async def job(self, number):
        status, content = await self.open(f"/jobs/{number}")
        assert status == 200
        return content

    async def state(self, number):
        return (await self.job(number))["queue_state"]

    async def ids(self, query=""):
        status, rows = await self.open(f"/jobs{query}")
        assert status == 200, rows
        return [row["id"] for row in rows]


@pytest.fixture
def client(api):
    return Integrator(api)


@pytest.fixture
def admin(api):
    return Integrator(api, "root")
