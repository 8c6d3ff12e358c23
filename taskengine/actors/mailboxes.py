"""The mailboxes of an instance's actors, and who is woken by what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from typing import Any

from taskengine.messages import Announce, Mail, Submit, Topic, Wake
from taskengine.model import Recorded
from taskengine.runtime.mailbox import Mailbox


class Mailboxes:
    """By the names of their actors. Topics wake actors of this instance at once, and those of its
    peers by announcement.

    Mailboxes belong to the engine: mail outlives the crashes of its readers.
    """

    def __init__(
        self, rooms: Mapping[str, float], wakened_by: Mapping[str, Collection[Topic]]
    ) -> None:
        self._boxes: dict[str, Mailbox[Any]] = {name: Mailbox(rooms[name]) for name in rooms}
        self._wakened_by = wakened_by

    def __getitem__(self, actor: str) -> Mailbox[Any]:
        return self._boxes[actor]

    @property
    def intake(self) -> Mailbox[Submit]:
        return self._boxes["intake"]

    @property
    def recorder(self) -> Mailbox[Mail]:
        return self._boxes["recorder"]

    def __enter__(self) -> Mailboxes:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for mailbox in self._boxes.values():
                stack.enter_context(mailbox)

    def close(self, actors: Collection[str]) -> None:
        """Say that no more mail comes; the actors handle what is queued and return."""
        for actor in actors:
            self._boxes[actor].address.close()

    def wake(self, topic: str) -> None:
        """Wake the actors that a topic concerns, on this instance."""
        for actor, topics in self._wakened_by.items():
            if topic in topics:
                self._boxes[actor].address.hint(Wake())

    def announce(self, *topics: Topic) -> None:
        """Wake the actors that topics concern, here and on the other instances."""
        for topic in topics:
            self.wake(topic)
            self._boxes["notifier"].address.hint(Announce(topic))

    def announce_change(self) -> None:
        """A client has changed a job: slots, times, gates, running tasks or callbacks."""
        self.announce(Topic.ADMISSION, Topic.CASCADES, Topic.SCHEDULE, Topic.STOP, Topic.CALLBACKS)

    def announce_pause(self) -> None:
        """Something was paused, or goes on."""
        self.announce(Topic.ADMISSION, Topic.SCHEDULE, Topic.WORK)

    def announce_operation(self) -> None:
        """A bulk operation was begun, or is to be undone."""
        self.announce(Topic.OPERATIONS)

    def announce_reschedule(self) -> None:
        """A schedule was made, removed, or switched on or off."""
        self.announce(Topic.SCHEDULES, Topic.SCHEDULE)

    def announce_records(self, recorded: Recorded) -> None:
        """A batch of records was written: wake those that go on from there."""
        if recorded.woken:
            self.announce(Topic.WORK)
        if recorded.called:
            self.wake(Topic.CALLBACKS)
        if recorded.ended_jobs:
            self.announce(Topic.ADMISSION)
            self.wake(Topic.CLEANING)
        if recorded.scheduled:
            self.announce(Topic.SCHEDULE)
        if recorded.waited:
            self.announce(Topic.CASCADES)
