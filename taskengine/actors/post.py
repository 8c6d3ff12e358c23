"""The mailboxes of an instance's actors, and who is told of what."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from taskengine.messages import Announce, Mail, Submit, Wake
from taskengine.model import TASK_QUEUES, Attempt, Recorded
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import DEATH

ROOM = 500  # of a mailbox whose mail counts; a wake-up needs room for one

ADMISSION, CASCADES, WORK, CALLBACKS, SCHEDULE, SCHEDULES, CLEANING, STOP = (
    "admission",
    "cascades",
    "work",
    "callbacks",
    "schedule",
    "schedules",
    "cleaning",
    "stop",
)


def _for_wakes() -> Mailbox[Wake]:
    return Mailbox(1)


@dataclass(slots=True)
class Post:
    """Hints go to the actors of this instance at once and to its peers by announcement.

    Mailboxes belong to the engine: mail outlives the crashes of who reads it.
    """

    intake: Mailbox[Submit] = field(default_factory=lambda: Mailbox(ROOM))
    # Bounded by what attempts may have unwritten: reporter.py.
    recorder: Mailbox[Mail] = field(default_factory=lambda: Mailbox(math.inf))
    notifier: Mailbox[Announce] = field(default_factory=lambda: Mailbox(64))
    controller: Mailbox[Wake] = field(default_factory=_for_wakes)
    settler: Mailbox[Wake] = field(default_factory=_for_wakes)
    scheduler: Mailbox[Wake] = field(default_factory=_for_wakes)
    courier: Mailbox[Wake] = field(default_factory=_for_wakes)
    workspace_cleaner: Mailbox[Wake] = field(default_factory=_for_wakes)
    gatekeeper: Mailbox[Wake] = field(default_factory=_for_wakes)
    ticker: Mailbox[Wake] = field(default_factory=_for_wakes)
    heartbeat: Mailbox[Wake] = field(default_factory=_for_wakes)
    rescuer: Mailbox[Wake] = field(default_factory=_for_wakes)
    event_feed: Mailbox[Wake] = field(default_factory=_for_wakes)
    claimers: dict[str, Mailbox[Wake]] = field(
        default_factory=lambda: {queue: _for_wakes() for queue in TASK_QUEUES}
    )
    desks: dict[str, Mailbox[Attempt]] = field(  # without room: a task waits in the store
        default_factory=lambda: {queue: Mailbox(0) for queue in TASK_QUEUES}
    )

    def __enter__(self) -> Post:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as boxes:
            rest: list[Mailbox[Any]] = [*self.desks.values(), self.heartbeat, self.rescuer]
            for box in (*self.of_starters(), *self.of_finishers(), *rest):
                boxes.enter_context(box)

    def of_starters(self) -> list[Mailbox[Any]]:
        """Of those that start things; claimers close the desks of their workers."""
        lone = [self.controller, self.settler, self.scheduler, self.gatekeeper, self.ticker]
        return [*lone, *self.claimers.values()]

    def of_finishers(self) -> list[Mailbox[Any]]:
        return [
            self.intake,
            self.recorder,
            self.notifier,
            self.courier,
            self.workspace_cleaner,
            self.event_feed,
        ]

    def hear(self, topic: str) -> None:
        """Wake who is concerned by a topic; whoever tells what changes is by all."""
        concerned: dict[str, list[Mailbox[Wake]]] = {
            ADMISSION: [self.controller],
            CASCADES: [self.settler],
            WORK: list(self.claimers.values()),
            CALLBACKS: [self.courier],
            SCHEDULE: [self.scheduler, self.gatekeeper],
            SCHEDULES: [self.ticker],
            STOP: [self.heartbeat],
            DEATH: [self.rescuer],
            CLEANING: [self.workspace_cleaner],
        }
        for mailbox in (*concerned.get(topic, []), self.event_feed):
            mailbox.address.hint(Wake())

    def tell_all(self, *topics: str) -> None:
        """The same, here and on the other instances."""
        for topic in topics:
            self.hear(topic)
            self.notifier.address.hint(Announce(topic))

    def stir(self) -> None:
        """A client has changed a job: slots, times, gates, running tasks or callbacks."""
        self.tell_all(ADMISSION, CASCADES, SCHEDULE, STOP, CALLBACKS)

    def reschedule(self) -> None:
        """A schedule was made, removed, or switched on or off."""
        self.tell_all(SCHEDULES, SCHEDULE)

    def spread(self, recorded: Recorded) -> None:
        """What follows from a batch of records."""
        if recorded.woken:
            self.tell_all(WORK)
        if recorded.called:
            self.hear(CALLBACKS)
        if recorded.ended_jobs:
            self.tell_all(ADMISSION)
            self.hear(CLEANING)
        if recorded.scheduled:
            self.tell_all(SCHEDULE)
        if recorded.waited:
            self.tell_all(CASCADES)


def close(mailboxes: list[Mailbox[Any]]) -> None:
    """Say that no more mail comes; their actors handle what is queued and return."""
    for mailbox in mailboxes:
        mailbox.address.close()
