"""An engine for tests: on virtual time, with nothing real in it."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import trio

from taskengine.actions import Action, Actions, action_of, find_actions
from taskengine.actions.environment import ActionEnvironment
from taskengine.actors.wiring import InstanceOptions, Resources
from taskengine.counters.memory import MemoryCounters
from taskengine.engine import Engine, running_engine
from taskengine.jobs.submission import Reader
from taskengine.media.keys import KeyStore
from taskengine.messages import Submit
from taskengine.model import Attempt, JobDetails, JsonObject, Severity, Submission
from taskengine.runtime.clock import Now, virtual_clock
from taskengine.storage import Folder, Storage
from taskengine.store import Store
from taskengine.testing.times import NOON
from taskengine.workflows.library import Library
from taskengine.workflows.workflow import Workflow

ACTIONS = find_actions()


class NoStorage:
    """A storage with nothing in it."""

    label = "local"

    async def folders(self, prefix: str) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        return []

    async def clear(self, prefix: str) -> None:
        await trio.lowlevel.checkpoint()


class VirtualEnvironment(ActionEnvironment):
    """Scratch folders without a file system: no thread may run on a virtual clock."""

    @asynccontextmanager
    async def scratch_for(self, attempt: Attempt) -> AsyncIterator[Callable[[], Path]]:
        yield lambda: Path("/nowhere")


def ok(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200)


def receiver(
    heard: list[tuple[float, httpx.Request]],
    answer: Callable[[httpx.Request], httpx.Response] = ok,
) -> httpx.AsyncClient:
    """A client whose requests end in a list, each with its virtual time in seconds."""

    def handle(request: httpx.Request) -> httpx.Response:
        heard.append((trio.current_time(), request))
        return answer(request)

    return httpx.AsyncClient(transport=httpx.MockTransport(handle))


def actions_with(**functions: Callable[..., Awaitable[JsonObject | None]]) -> dict[str, Action]:
    """The installed actions and some of a test's own, named `test.<name>`."""
    own = {f"test.{name}": action_of(f"test.{name}", one) for name, one in functions.items()}
    return {**ACTIONS, **own}


def workflow(*tasks: str | Sequence[Any], name: str = "job", **rest: object) -> Workflow:
    """A workflow of tasks given as (name, action, {more}) or as names of core.noop tasks."""
    content = [
        _task(task, "core.noop") if isinstance(task, str) else _task(*task) for task in tasks
    ]
    return Workflow.from_content({"workflow": name, "tasks": content, **rest})


def _task(name: str, action: str, more: JsonObject | None = None) -> JsonObject:
    return {"name": name, "action": action, **(more or {})}


def submission(flow: Workflow, parameters: JsonObject | None = None, **more: Any) -> Submission:
    """What the API makes of a request."""
    return Submission(
        client="acme",
        workflow=flow.name,
        submitted=parameters or {},
        parameters=parameters or {},
        lines=[(Severity.INFO, "api", "submitted")],
        definition=flow.definition,
        client_scope={"name": "acme", "storage": "local"},
        **more,
    )


class Instance:
    """A running engine, seen from a test."""

    def __init__(self, engine: Engine, store: Store, now: Now) -> None:
        self.engine, self.store, self.now = engine, store, now

    async def submit(
        self, flow: Workflow, parameters: JsonObject | None = None, **more: Any
    ) -> int:
        """The id of a new job; `more` are fields of its Submission."""
        message = Submit(submission(flow, parameters, **more))
        answer = await self.engine.mailboxes.intake.address.ask(message)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def job(self, job_id: int) -> JobDetails:
        details = await self.store.job(job_id)
        assert details is not None, f"there is no job {job_id}"
        return details

    async def lines(self, job_id: int) -> list[tuple[str, str]]:
        """Program name and message of each line of its log."""
        pages = self.store.log(job_id, show_all=True)
        return [(line.progname, line.message) async for page in pages for line in page]


def virtual_environment(
    http: httpx.AsyncClient | None = None,
    unverified: httpx.AsyncClient | None = None,
    secrets: Mapping[str, str] | None = None,
) -> ActionEnvironment:
    """An environment of actions with nothing real in it."""
    nowhere = cast("Storage", NoStorage())
    return VirtualEnvironment(
        scratch=Path("/nowhere"),
        storages={"local": nowhere},
        roots={"local": {}},
        workspaces=Folder(nowhere, "/nowhere", ""),
        keys=cast("KeyStore", None),
        http=http or receiver([]),
        unverified=unverified or receiver([]),
        secrets=secrets or {},
    )


@asynccontextmanager
async def instance(
    store: Store,
    *,
    actions: Actions | None = None,
    http: httpx.AsyncClient | None = None,
    unverified: httpx.AsyncClient | None = None,
    drain: float = 30.0,
    lease: float = 15.0,
    patient: Store | None = None,
    vital: Store | None = None,
    keep_time: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
    process: uuid.UUID | None = None,
    flows: Sequence[Workflow] = (),
    secrets: Mapping[str, str] | None = None,
    **queues: int,
) -> AsyncIterator[Instance]:
    """An engine on `store` for the length of the block; `flows` are what schedules may run.

    Time is trio's, which a test's `autojump_clock` moves: it begins at NOON. `drain` and `lease`
    are seconds. `http` is what callbacks, gates and actions reach; see receiver(). `queues` are
    workers by queue.
    """
    now = virtual_clock(NOON)
    library = Library({(None, flow.name): flow for flow in flows})
    resources = Resources(
        store=store,
        patient=patient or store,
        counters=MemoryCounters(),
        actions=actions or ACTIONS,
        environment=virtual_environment(http, unverified, secrets),
        now=now,
        reader=partial(Reader, library, "local"),
        vital=vital,
        keep_time=keep_time,
    )
    random.seed(7)
    options = InstanceOptions("test", {"work": 2, "callback": 1, **queues}, drain, lease, process)
    async with running_engine(resources, options) as engine:
        yield Instance(engine, store, now)
