"""What the REST API works with: handed over by the composition root, nothing global."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from taskengine.actors.definitions import Definitions
from taskengine.actors.event_feed import EventFeed
from taskengine.addresses import allowed
from taskengine.api.errors import Draining
from taskengine.api.heavy import Heavy
from taskengine.api.limits import RequestLimits
from taskengine.api.recent_clients import RecentClients
from taskengine.api.refusals import Refusals
from taskengine.configuration import Configuration
from taskengine.counters import Counters, CountersUnavailable, QueueCount, QueueCounts
from taskengine.jobs.submission import Reader
from taskengine.masking import ALWAYS_SECRET
from taskengine.messages import Submit
from taskengine.meters import Meters
from taskengine.model import Job, NotFound
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Address
from taskengine.store import Store
from taskengine.workflows.library import Library
from taskengine.workflows.workflow import Workflow

MIRROR_DEADLINE = 1  # seconds for the mirror


@dataclass(frozen=True, slots=True)
class Services:
    """`store` is impatient: an outage of the database is an answer (503), not a wait."""

    configuration: Configuration
    store: Store
    definitions: Definitions  # that jobs keep, read from `store`
    counters: Counters | None
    intake: Address[Submit]
    library: Callable[[], Library]  # the current one: SIGHUP replaces it
    now: Now
    leaving: Callable[[], bool]  # SIGTERM came: proxies are to go elsewhere
    draining: Callable[[], bool]  # so long ago that no submission is taken any more
    changed: Callable[[], None]  # a client has changed a job: wakes whoever is concerned
    version: str
    limits: RequestLimits = field(default_factory=RequestLimits)  # none of it: no limit
    heavy: Heavy = field(default_factory=Heavy)  # for tests: on the loop
    event_feed: EventFeed | None = None  # None: there are no events
    counts: Callable[[], QueueCounts] = dict  # of this instance
    refusals: Refusals = field(default_factory=Refusals)
    recent: RecentClients = field(default_factory=RecentClients)
    meters: Meters = field(default_factory=Meters)
    rescheduled: Callable[[], None] = lambda: None  # schedules were changed
    paused: Callable[[], None] = lambda: None  # something was paused, or goes on
    operated: Callable[[], None] = lambda: None  # a bulk operation has begun, or its undoing

    def reader(self) -> Reader:
        """What makes jobs of submissions, with the workflows in force now."""
        settings = self.configuration
        refuses = allowed(settings.outbound_allow).refuses
        storages = tuple(settings.storages)
        return Reader(self.library(), settings.default_storage, self.now(), refuses, storages)

    def own_counts(self) -> QueueCounts:
        """The queue counters of this instance."""
        workers = {**self.configuration.queues, "scheduler": 1, "controller": 1}
        known = {queue: QueueCount(workers=number) for queue, number in workers.items()}
        return {**known, **self.counts()}

    async def mirrored(self, deadline: float = MIRROR_DEADLINE) -> tuple[str, QueueCounts]:
        """The mirror's state and figures; without it those of this instance."""
        if self.counters is None:
            return "disabled", self.own_counts()
        try:
            with trio.fail_after(deadline):
                return "OK", await self.counters.total()
        except (CountersUnavailable, trio.TooSlowError):
            return "unavailable", self.own_counts()

    def check_open(self) -> None:
        """Raises Draining once no submission is taken any more."""
        if self.draining():
            raise Draining

    async def workflow(self, job: Job) -> Workflow | None:
        """The one that a job keeps; None: it was refused, or was cleaned up a moment ago."""
        if job.digest is not None:
            with suppress(NotFound):
                return await self.definitions.of(job)
        return None

    async def secrets(self, job: Job) -> frozenset[str]:
        """The names of its parameters that nobody may read. Those of a refused job were masked when
        it was recorded."""
        workflow = await self.workflow(job)
        return workflow.secrets if workflow else ALWAYS_SECRET
