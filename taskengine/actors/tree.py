"""The actors of an instance, in one table: a new one is its file and a row here."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Protocol

from taskengine.actors.alerter import Alerter
from taskengine.actors.claimer import Claimer
from taskengine.actors.controller import Controller
from taskengine.actors.counter_publisher import CounterPublisher
from taskengine.actors.courier import Courier
from taskengine.actors.cron import Cron
from taskengine.actors.forecaster import Forecaster
from taskengine.actors.gatekeeper import Gatekeeper
from taskengine.actors.heartbeat import Heartbeat
from taskengine.actors.intake import Intake
from taskengine.actors.loop_watch import LoopWatch
from taskengine.actors.mailboxes import Mailboxes
from taskengine.actors.notifier import Notifier
from taskengine.actors.operator import Operator
from taskengine.actors.recorder import Recorder
from taskengine.actors.rescuer import Rescuer
from taskengine.actors.retention import Retention
from taskengine.actors.scheduler import Scheduler
from taskengine.actors.settler import Settler
from taskengine.actors.sweeper import Sweeper
from taskengine.actors.wiring import Wiring
from taskengine.actors.worker import Worker
from taskengine.actors.workflow_watch import WorkflowWatch
from taskengine.actors.workspace_cleaner import WorkspaceCleaner
from taskengine.messages import Topic
from taskengine.model import TASK_QUEUES

Children = Mapping[str, Callable[[], Awaitable[None]]]

QUEUED_SUBMISSIONS = 500
QUEUED_ANNOUNCEMENTS = 64
QUEUED_ALERTS = 1_000
UNBOUNDED = math.inf  # by the mailbox: attempts bound what they may have unwritten (reporter.py)


class Ring(Enum):
    """Actors that stop together: starters first, then finishers, then watchers (engine.py)."""

    WATCHERS = auto()  # tell the peers that this instance lives
    FINISHERS = auto()  # write and send what the workers did
    STARTERS = auto()  # start jobs and tasks, and run them


class Actor(Protocol):
    @property
    def run(self) -> Callable[..., Awaitable[None]]:
        """Takes the actor's mailbox, where it has one."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """An actor. `make` returns None where the instance has none. `room` is that of its mailbox, in
    messages, of which wake-ups need 1; None: it has no mailbox. `copies` is the queue whose setting
    says how many of it there are."""

    ring: Ring
    name: str
    make: Callable[[Wiring], Actor | None]
    wakened_by: Collection[Topic] = ()
    room: float | None = 1
    copies: str | None = None


WATCHERS, FINISHERS, STARTERS = Ring
EVERY_TOPIC = frozenset(Topic)
ACTORS = (
    Row(WATCHERS, "heartbeat", Heartbeat.of, {Topic.STOP}),
    Row(WATCHERS, "rescuer", Rescuer.of, {Topic.DEATH, Topic.RESCUE}),
    Row(WATCHERS, "pulse", lambda wiring: wiring.resources.environment.pulse, room=None),
    Row(WATCHERS, "loop_watch", lambda wiring: LoopWatch(wiring.resources.meters), room=None),
    Row(WATCHERS, "workflow_watch", WorkflowWatch.of, room=None),
    Row(WATCHERS, "forecaster", Forecaster.of, room=None),
    Row(WATCHERS, "counter_publisher", CounterPublisher.of, room=None),
    Row(FINISHERS, "recorder", Recorder.of, room=UNBOUNDED),
    Row(FINISHERS, "intake", Intake.of, room=QUEUED_SUBMISSIONS),
    Row(FINISHERS, "notifier", Notifier.of, room=QUEUED_ANNOUNCEMENTS),
    Row(FINISHERS, "alerter", Alerter.of, room=QUEUED_ALERTS),
    Row(FINISHERS, "workspace_cleaner", WorkspaceCleaner.of, {Topic.CLEANING}),
    Row(FINISHERS, "event_feed", lambda wiring: wiring.event_feed, EVERY_TOPIC),
    Row(FINISHERS, "courier", Courier.of, {Topic.CALLBACKS}, copies="callback"),
    Row(STARTERS, "gatekeeper", Gatekeeper.of, {Topic.SCHEDULE}),
    Row(STARTERS, "controller", Controller.of, {Topic.ADMISSION}),
    Row(STARTERS, "operator", Operator.of, {Topic.OPERATIONS}),
    Row(STARTERS, "settler", Settler.of, {Topic.CASCADES}),
    Row(STARTERS, "scheduler", Scheduler.of, {Topic.SCHEDULE}),
    Row(STARTERS, "cron", Cron.of, {Topic.SCHEDULES}),
    Row(STARTERS, "sweeper", Sweeper.of, {Topic.RESCUE}),
    Row(STARTERS, "retention", Retention.of, {Topic.RETENTION}),
    *(
        Row(STARTERS, f"claimer-{queue}", partial(Claimer.of, queue=queue), {Topic.WORK})
        for queue in TASK_QUEUES
    ),
    *(
        Row(STARTERS, queue, partial(Worker.of, queue=queue), room=None, copies=queue)
        for queue in TASK_QUEUES
    ),
)


def open_mailboxes() -> Mailboxes:
    """The mailboxes of all actors, for the length of a block."""
    return Mailboxes(
        {row.name: row.room for row in ACTORS if row.room is not None},
        {row.name: row.wakened_by for row in ACTORS if row.wakened_by},
    )


def make_actors(wiring: Wiring) -> None:
    """Make all actors of an instance, once: they keep what they know when they are restarted."""
    for row in ACTORS:
        number = wiring.options.queues.get(row.copies, 0) if row.copies else 1
        made = [row.make(wiring) for _ in range(number)]
        wiring.made[row.name] = [actor for actor in made if actor is not None]


def children_of(ring: Ring, wiring: Wiring) -> Children:
    """What runs in a ring, by name."""
    children: dict[str, Callable[[], Awaitable[None]]] = {}
    for row in _rows(ring):
        given = [] if row.room is None else [wiring.mailboxes[row.name]]
        for number, actor in enumerate(wiring.made[row.name]):
            name = f"{row.name}-{number}" if row.copies else row.name
            children[name] = partial(actor.run, *given)
    return children


def close_ring(ring: Ring, mailboxes: Mailboxes) -> None:
    """Say that no more mail comes to a ring. Desks are closed by the claimers that fill them;
    watchers go on until they are cancelled."""
    if ring is not WATCHERS:
        mailboxes.close([row.name for row in _rows(ring) if row.room])


def _rows(ring: Ring) -> list[Row]:
    return [row for row in ACTORS if row.ring is ring]
