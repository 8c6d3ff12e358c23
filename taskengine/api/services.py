"""What the REST API works with: handed over by the composition root, nothing global."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from taskengine.actors.event_feed import EventFeed
from taskengine.addresses import allowed
from taskengine.api.heavy import Heavy
from taskengine.api.limits import RequestLimits
from taskengine.api.recent_clients import RecentClients
from taskengine.api.refusals import Refusals
from taskengine.configuration import Configuration
from taskengine.counters import Counters, QueueCounts
from taskengine.jobs.submission import Reader
from taskengine.messages import Submit
from taskengine.meters import Meters
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Address
from taskengine.store import Store
from taskengine.workflows.library import Library


@dataclass(frozen=True, slots=True)
class Services:
    """`store` is impatient: an outage of the database is an answer (503), not a wait."""

    configuration: Configuration
    store: Store
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
