"""What the actors of an instance are made from."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import trio

from taskengine.actions import Actions
from taskengine.actions.environment import ActionEnvironment
from taskengine.actors.bodies import Bodies
from taskengine.actors.definitions import Definitions
from taskengine.actors.desk import Desk
from taskengine.actors.event_feed import EventFeed
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.mailboxes import Mailboxes
from taskengine.actors.progress import Progress
from taskengine.actors.recent_settings import RecentSettings
from taskengine.alerts import AlertReceivers
from taskengine.counters import Counters, QueueCount, QueueCounts
from taskengine.jobs.submission import Reader
from taskengine.messages import Alert, Topic, Wake, tell_nobody
from taskengine.meters import Meters
from taskengine.model import TASK_QUEUES
from taskengine.runtime.clock import Now
from taskengine.store import Store
from taskengine.traces import Traces
from taskengine.workflows.library import Library


def no_workflow(now: datetime) -> Reader:
    """A reader that refuses every job."""
    return Reader(Library({}), "local", now)


@dataclass(frozen=True, slots=True)
class Resources:
    """What the composition root chose. `patient` is the store that waits out outages of the
    database."""

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
    workflows: Callable[[], str] | None = None  # a digest of those in force; None: nobody asks
    traces: Traces = field(default_factory=Traces)
    alerts: AlertReceivers | None = None  # of the installation; None: nobody is told
    left: Callable[[], None] = lambda: None  # called once the peers know that the instance left


@dataclass(frozen=True, slots=True)
class InstanceOptions:
    """How an instance is set up."""

    name: str
    queues: Mapping[str, int]  # workers by queue; `callback` counts couriers
    drain: float  # seconds that running tasks have when the engine stops
    lease: float  # seconds
    process: uuid.UUID | None = None  # by which the witness calls it, where there is one


@dataclass(slots=True)
class Wiring:
    """The resources and options of an instance, and what its actors share."""

    resources: Resources
    options: InstanceOptions
    state: InstanceState
    mailboxes: Mailboxes
    event_feed: EventFeed = field(init=False)
    progress: Progress = field(init=False)
    definitions: Definitions = field(init=False)
    bodies: Bodies = field(init=False)
    settings: RecentSettings = field(init=False)
    desks: Mapping[str, Desk] = field(init=False)  # by queue
    made: dict[str, list[Any]] = field(default_factory=dict, init=False)  # the actors by name
    silent: dict[int, int] = field(default_factory=dict, init=False)  # peers, at which beat

    def __post_init__(self) -> None:
        patient = self.resources.patient
        self.event_feed = EventFeed(patient, self.hint("event_feed"))
        self.progress = Progress(self.hint("recorder"))
        self.definitions, self.bodies = Definitions(patient), Bodies(patient)
        self.settings = RecentSettings(patient)
        self.desks = {queue: Desk() for queue in TASK_QUEUES}

    def hint(self, actor: str) -> Callable[[], None]:
        """A function that wakes an actor of this instance."""
        return partial(self.mailboxes[actor].address.hint, Wake())

    @property
    def alert(self) -> Callable[[Alert], None]:
        """A function that tells the installation's webhooks, where there are some."""
        return self.mailboxes["alerter"].address.hint if self.resources.alerts else tell_nobody

    def announce(self, *topics: Topic) -> Callable[[], None]:
        """A function that wakes the actors that topics concern, here and elsewhere."""
        return partial(self.mailboxes.announce, *topics)

    def counts(self) -> QueueCounts:
        """The queue counters of this instance."""
        shown = {queue: self._count(queue, 0) for queue in TASK_QUEUES}
        callback = self._count("courier", len(self.mailboxes["courier"]))
        alone = {
            name: QueueCount(1, 0, len(self.mailboxes[name]))
            for name in ("controller", "scheduler")
        }
        return {**shown, "callback": callback, **alone}

    def _count(self, name: str, pending: int) -> QueueCount:
        actors = self.made[name]
        return QueueCount(len(actors), sum(actor.busy for actor in actors), pending)
