"""The actors of an instance, made once and handed to the engine, ring by ring."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import trio

from taskengine.actions import Actions
from taskengine.actions.environment import ActionEnvironment
from taskengine.actors.bodies import Bodies
from taskengine.actors.claimer import Claimer
from taskengine.actors.controller import Controller
from taskengine.actors.counter_publisher import CounterPublisher
from taskengine.actors.courier import Courier
from taskengine.actors.definitions import Definitions
from taskengine.actors.event_feed import EventFeed
from taskengine.actors.gatekeeper import Gatekeeper
from taskengine.actors.heartbeat import Heartbeat
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.intake import Intake
from taskengine.actors.notifier import Notifier
from taskengine.actors.post import ADMISSION, CALLBACKS, SCHEDULE, WORK, Post
from taskengine.actors.progress import Progress
from taskengine.actors.recorder import Recorder
from taskengine.actors.rescuer import Rescuer
from taskengine.actors.scheduler import Scheduler
from taskengine.actors.settler import Settler
from taskengine.actors.ticker import Ticker
from taskengine.actors.worker import Worker
from taskengine.actors.workspace_cleaner import WorkspaceCleaner
from taskengine.counters import Counters, QueueCount, QueueCounts
from taskengine.jobs.submission import Reader
from taskengine.messages import Wake
from taskengine.meters import Meters
from taskengine.model import TASK_QUEUES
from taskengine.runtime.clock import Now
from taskengine.schedules import QUEUE_JOBS, RESCUE_TASKS
from taskengine.store import DEATH, Store
from taskengine.workflows.library import Library

Children = Mapping[str, Callable[[], Awaitable[None]]]


def no_workflow(now: datetime) -> Reader:
    """A reader that refuses every job."""
    return Reader(Library({}), "local", now)


@dataclass(frozen=True, slots=True)
class Parts:
    """What actors work with. `patient` is the store that waits out outages of the database."""

    store: Store
    patient: Store
    counters: Counters | None
    actions: Actions
    environment: ActionEnvironment
    now: Now
    keep_time: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint  # by the database's
    reader: Callable[[datetime], Reader] = no_workflow  # of the jobs of schedules
    vital: Store | None = None  # with a connection of its own, for the heartbeat (rule 3)
    meters: Meters = field(default_factory=Meters)
    left: Callable[[], None] = lambda: None  # told when the peers know that the instance left


@dataclass(frozen=True, slots=True)
class Plan:
    """How an instance is set up."""

    name: str
    queues: Mapping[str, int]  # workers by queue; `callback` counts couriers
    drain: float  # seconds that running tasks have when the engine stops
    lease: float  # seconds
    process: uuid.UUID | None = None  # by which the witness calls it, where there is one


@dataclass(slots=True)
class Staff:
    parts: Parts
    plan: Plan
    post: Post
    state: InstanceState
    workers: dict[str, list[Worker]] = field(default_factory=dict, init=False)
    couriers: list[Courier] = field(default_factory=list, init=False)
    event_feed: EventFeed = field(init=False)
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(partial(self.post.recorder.address.hint, Wake()))
        definitions = Definitions(self.parts.patient)
        self.event_feed = EventFeed(self.parts.patient, self.post.event_feed)
        for queue in TASK_QUEUES:
            number = self.plan.queues.get(queue, 0)
            self.workers[queue] = [self._worker(queue, definitions) for _ in range(number)]
        number = self.plan.queues.get("callback", 0)
        bodies = Bodies(self.parts.patient)
        self.couriers = [self._courier(bodies) for _ in range(number)]

    def _worker(self, queue: str, definitions: Definitions) -> Worker:
        parts = self.parts
        return Worker(
            store=parts.patient,
            state=self.state,
            recorder=self.post.recorder.address,
            progress=self.progress,
            definitions=definitions,
            actions=parts.actions,
            environment=parts.environment,
            now=parts.now,
            ready=partial(self.post.claimers[queue].address.hint, Wake()),
        )

    def _courier(self, bodies: Bodies) -> Courier:
        parts = self.parts
        return Courier(
            store=parts.patient,
            state=self.state,
            now=parts.now,
            http=parts.environment.http,
            unverified=parts.environment.unverified,
            bodies=bodies,
            meters=parts.meters,
        )

    def _claimer(self, queue: str) -> Claimer:
        parts = self.parts
        return Claimer(
            queue=queue,
            store=parts.patient,
            state=self.state,
            now=parts.now,
            actions=list(parts.actions),
            desk=self.post.desks[queue],
            taken=parts.meters.claims.labels(queue),
        )

    def watchers(self) -> Children:
        """Who tells the peers that this instance lives."""
        parts, post = self.parts, self.post
        rescuer = Rescuer(parts.patient, parts.now, post.spread)
        heartbeat = Heartbeat(
            store=parts.vital or parts.store,
            state=self.state,
            recorder=post.recorder.address,
            now=parts.now,
            name=self.plan.name,
            lease=self.plan.lease,
            told_silent=partial(self._suspect, rescuer),
            told_dead=partial(post.hear, DEATH),
            keep_time=parts.keep_time,
            cut=parts.environment.pulse.cut,
            process=self.plan.process,
        )
        children: dict[str, Callable[[], Awaitable[None]]] = {
            "heartbeat": partial(heartbeat.run, post.heartbeat),
            "rescuer": partial(rescuer.run, post.rescuer),
            "pulse": parts.environment.pulse.run,
        }
        if parts.counters is not None:
            children["counter_publisher"] = CounterPublisher(
                parts.counters, self.state, self.counts
            ).run
        return children

    def _suspect(self, rescuer: Rescuer, peer: int, beat: int) -> None:
        rescuer.silent[peer] = beat
        self.post.hear(DEATH)

    def finishers(self) -> Children:
        """Who writes down and tells what the workers did."""
        parts, post = self.parts, self.post
        submitted = partial(post.tell_all, ADMISSION, SCHEDULE)
        recorder = Recorder(parts.patient, self.state, parts.now, post.spread, self.progress)
        cleaner = WorkspaceCleaner(parts.patient, parts.environment.workspaces)
        children: dict[str, Callable[[], Awaitable[None]]] = {
            "recorder": partial(recorder.run, post.recorder),
            "intake": partial(Intake(parts.store, parts.now, submitted).run, post.intake),
            "notifier": partial(Notifier(parts.store, post.hear).run, post.notifier),
            "workspace_cleaner": partial(cleaner.run, post.workspace_cleaner),
            "event_feed": self.event_feed.run,
        }
        for number, courier in enumerate(self.couriers):
            children[f"courier-{number}"] = partial(courier.run, post.courier)
        return children

    def starters(self) -> Children:
        """Who starts jobs and tasks, and the workers that run them."""
        parts, post = self.parts, self.post
        admitted = partial(post.tell_all, WORK)
        controller = Controller(parts.patient, self.state, parts.now, admitted, parts.meters)
        settled = partial(post.tell_all, ADMISSION, SCHEDULE, CALLBACKS)
        settler = Settler(parts.patient, parts.now, settled)
        scheduler = Scheduler(parts.patient, parts.now, partial(post.tell_all, ADMISSION))
        gatekeeper = Gatekeeper(
            parts.patient, parts.now, parts.environment.http, partial(post.tell_all, ADMISSION)
        )
        children: dict[str, Callable[[], Awaitable[None]]] = {
            "gatekeeper": partial(gatekeeper.run, post.gatekeeper),
            "controller": partial(controller.run, post.controller),
            "settler": partial(settler.run, post.settler),
            "scheduler": partial(scheduler.run, post.scheduler),
            "ticker": partial(self._ticker().run, post.ticker),
        }
        for queue, workers in self.workers.items():
            children[f"claimer-{queue}"] = partial(self._claimer(queue).run, post.claimers[queue])
            for number, worker in enumerate(workers):
                children[f"{queue}-{number}"] = partial(worker.run, post.desks[queue])
        return children

    def _ticker(self) -> Ticker:
        parts, post = self.parts, self.post
        hints = {
            QUEUE_JOBS: partial(post.hear, SCHEDULE),
            RESCUE_TASKS: partial(post.hear, DEATH),
        }
        return Ticker(
            parts.patient, post.intake.address, parts.reader, parts.now, hints, post.spread
        )

    def counts(self) -> QueueCounts:
        """The queue counters of this instance."""
        post = self.post
        shown = {
            queue: QueueCount(len(workers), sum(worker.busy for worker in workers), 0)
            for queue, workers in self.workers.items()
        }
        sending = sum(courier.busy for courier in self.couriers)
        return shown | {
            "callback": QueueCount(len(self.couriers), sending, len(post.courier)),
            "controller": QueueCount(1, 0, len(post.controller)),
            "scheduler": QueueCount(1, 0, len(post.scheduler)),
        }
