"""Pauses of a client, a workflow, a queue or an instance: what runs goes on, nothing new begins.

A paused client starts no job. Jobs of a paused workflow are set aside as `paused` when their turn
comes, and queued again after it. Of a paused queue no task is claimed, nor is any by a paused
instance: by that of its name, or by all of the host of that name, which stay so when they restart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from taskengine.times import format_time


class PauseKind(StrEnum):
    CLIENT = "client"
    WORKFLOW = "workflow"
    QUEUE = "queue"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Pause:
    """What is paused, by which client, and until when; None: until somebody ends it."""

    kind: PauseKind
    name: str
    since: datetime
    by: str
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until

    @property
    def told(self) -> str:
        """In words, as the beginning of a sentence."""
        until = f"until {format_time(self.until)}" if self.until else "until somebody ends that"
        return f"The {self.kind} {self.name} is paused {until}"


def names_of(instance: str) -> tuple[str, str]:
    """Under which names an instance may be paused: its own, which ends with the number of its
    process, and its host's."""
    return instance, re.sub(r"-[0-9]+$", "", instance)


def paused(pauses: Iterable[Pause], kind: PauseKind, now: datetime) -> frozenset[str]:
    """The names of what is paused of a kind."""
    return frozenset(one.name for one in pauses if one.kind is kind and one.holds(now))


def hold_line(workflow: str) -> str:
    """What the log of a job says that is set aside."""
    return f"workflow {workflow!r} is paused: the job is set aside"


def release_line(workflow: str) -> str:
    """The same when it is queued again."""
    return f"workflow {workflow!r} is paused no more: the job goes on"
