"""An engine of its own for tests: in memory, on virtual time, with nothing real in it."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import trio

from taskengine.actions.environment import ActionEnvironment
from taskengine.actions.registry import Action, _arguments, find_actions
from taskengine.actors.wiring import InstanceOptions, Resources
from taskengine.counters.memory import MemoryCounters
from taskengine.engine import running_engine
from taskengine.jobs.submission import Reader
from taskengine.messages import Submit
from taskengine.model import Severity, Submission
from taskengine.runtime.clock import virtual_clock
from taskengine.storage import Folder
from taskengine.workflows.library import Library
from taskengine.workflows.workflow import Workflow
from tests.conftest import NOON

ACTIONS = find_actions()


class NoStorage:
    """A storage with nothing in it."""

    label = "local"

    async def folders(self, prefix):
        await trio.lowlevel.checkpoint()
        return []

    async def clear(self, prefix):
        await trio.lowlevel.checkpoint()


class VirtualEnvironment(ActionEnvironment):
    """Scratch folders without a file system: no thread may run on a virtual clock."""

    @asynccontextmanager
    async def scratch_for(self, attempt):
        yield lambda: Path("/nowhere")


def virtual_environment(**fields):
    """An environment of actions with nothing real in it."""
    return VirtualEnvironment(
        scratch=Path("/nowhere"),
        storages={"local": NoStorage()},
        roots={"local": {}},
        workspaces=Folder(NoStorage(), "/nowhere", ""),
        keys=None,
        **fields,
    )


def receiver(heard, answer=lambda request: httpx.Response(200)):
    """A client whose requests end in a list."""

    def handle(request):
        heard.append((trio.current_time(), request))
        return answer(request)

    return httpx.AsyncClient(transport=httpx.MockTransport(handle))


def actions_with(**functions):
    """The built-in actions and some of a test's own, named `test.<name>`."""
    own = {
        f"test.{name}": Action(f"test.{name}", function, _arguments(name, function))
        for name, function in functions.items()
    }
    return {**ACTIONS, **own}


def workflow(*tasks, name="job", **rest):
    """A workflow of tasks given as (name, action, {more}) or as names of core.noop tasks."""
    given = [(task, "core.noop") if isinstance(task, str) else task for task in tasks]
    content = [
        {"name": one[0], "action": one[1], **(one[2] if len(one) > 2 else {})} for one in given
    ]
    return Workflow.from_content({"workflow": name, "tasks": content, **rest})


def submission(flow, parameters=None, **more):
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

    def __init__(self, engine, store, now):
        self.engine, self.store, self.now = engine, store, now

    async def submit(self, flow, parameters=None, **more):
        message = Submit(submission(flow, parameters, **more))
        return await self.engine.mailboxes.intake.address.ask(message)

    async def job(self, job_id):
        return await self.store.job(job_id)

    async def lines(self, job_id):
        pages = self.store.log(job_id, show_all=True)
        return [(line.progname, line.message) async for page in pages for line in page]


@asynccontextmanager
async def instance(
    store,
    *,
    actions=None,
    http=None,
    unverified=None,
    drain=30.0,
    lease=15.0,
    patient=None,
    vital=None,
    keep_time=trio.lowlevel.checkpoint,
    process=None,
    flows=(),
    secrets=None,
    **queues,
):
    """An engine on `store` for the length of the block; `flows` are what schedules may run."""
    now = virtual_clock(NOON)
    library = Library({(None, flow.name): flow for flow in flows})
    environment = virtual_environment(
        http=http or receiver([]), unverified=unverified or receiver([]), secrets=secrets or {}
    )
    resources = Resources(
        store=store,
        patient=patient or store,
        counters=MemoryCounters(),
        actions=actions or ACTIONS,
        environment=environment,
        now=now,
        reader=partial(Reader, library, "local"),
        vital=vital,
        keep_time=keep_time,
    )
    random.seed(7)
    options = InstanceOptions("test", {"work": 2, "callback": 1, **queues}, drain, lease, process)
    async with running_engine(resources, options) as engine:
        yield Instance(engine, store, now)
