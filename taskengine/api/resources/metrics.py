"""GET /metrics: figures of this instance and of all, for Prometheus."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import trio
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from quart import Response

from taskengine.api.auth import caller, given_key, header
from taskengine.api.openapi.operation import TEXT, Operation, ResponseSpec
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.model import TASK_QUEUES, JobState, StoreUnavailable
from taskengine.policy import SYSTEM, settings_of
from taskengine.store import Totals

REQUEST_DEADLINE = 2  # seconds for the database, and for the mirror
MAX_KNOWN = 100  # callers that are remembered
MEDIA, OPEN_MEDIA = "text/plain", "application/openmetrics-text"
METRICS = Operation(
    summary="Figures for Prometheus",
    tag="status",
    description="While the database is not available, callers that were authenticated before get "
    "the figures of this instance.",
    answer=ResponseSpec(
        "Metrics in the format that the client accepts.", TEXT, MEDIA, other_media=[OPEN_MEDIA]
    ),
)


@dataclass(frozen=True, slots=True)
class Totalled:
    """What the database knows of all instances."""

    totals: Totals
    callbacks: int
    dead: int
    instances: int
    held: int  # slots
    slots: int
    oldest_job: float  # seconds
    oldest_tasks: Mapping[str, float]  # seconds, by queue
    snapshot: float  # seconds that somebody has held one


@dataclass(frozen=True, slots=True)
class Figures:
    """All that one answer tells."""

    read: Sequence[Metric]
    meters: Collector

    def collect(self) -> Iterable[Metric]:
        return chain(self.read, self.meters.collect())


@dataclass(frozen=True, slots=True)
class Metrics:
    services: Services
    _known: dict[str, None] = field(default_factory=dict)  # callers, by a digest
    _threads: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))

    async def metrics(self) -> Response:
        totalled = None
        asks = hashlib.sha256(f"{header('client')}\0{given_key()}".encode()).hexdigest()
        try:
            with trio.fail_after(REQUEST_DEADLINE):
                await caller(self.services)
                self._remember(asks)
                totalled = await self._totalled()
        except (StoreUnavailable, trio.TooSlowError):
            if asks not in self._known:
                raise StoreUnavailable("the caller cannot be authenticated") from None
        read = [*self._own(), await self._mirror(), *_of_all(totalled)]
        encode, content_type = _encoder(header("accept"))
        figures = Figures(read, self.services.meters.registry)
        # Tens of milliseconds for many series, and other threads may all be copying files.
        text = await trio.to_thread.run_sync(encode, figures, limiter=self._threads)
        return Response(text, content_type=content_type)

    def _remember(self, asks: str) -> None:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[asks] = None

    async def _totalled(self) -> Totalled:
        store, now = self.services.store, self.services.now()
        oldest = await store.oldest_queued()
        waiting = await store.oldest_waiting()
        return Totalled(
            totals=await store.totals(),
            callbacks=await store.callbacks_waiting(),
            dead=await store.lanes_dead(),
            instances=len(await store.beats()),
            held=sum((await store.slots_held()).values()),
            slots=settings_of(await store.settings(SYSTEM)).max_jobs or 0,
            oldest_job=_age(oldest, now),
            oldest_tasks={queue: _age(waiting.get(queue), now) for queue in TASK_QUEUES},
            snapshot=_age(await store.snapshot_since(), now),
        )

    async def _mirror(self) -> Metric:
        state, _ = await self.services.mirrored(REQUEST_DEADLINE)
        about = "Whether Valkey or Redis answers; 0 if there is none."
        return GaugeMetricFamily("taskengine_mirror_up", about, int(state == "OK"))

    def _own(self) -> Iterator[Metric]:
        version = {"version": self.services.version}
        yield InfoMetricFamily("taskengine", "The version of the engine.", version)
        counts = self.services.counts()
        yield _by_queue(
            "taskengine_queue_workers",
            "Workers of this instance.",
            {queue: count.workers for queue, count in counts.items()},
        )
        yield _by_queue(
            "taskengine_queue_working",
            "Busy workers of this instance.",
            {queue: count.working for queue, count in counts.items()},
        )
        streams = self.services.event_feed.streams if self.services.event_feed else 0
        yield GaugeMetricFamily(
            "taskengine_event_streams", "Open streams of /events on this instance.", streams
        )


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """What writes the format that is asked for, and its content type."""
    try:
        return choose_encoder(accept)
    except TypeError:  # the library compares the parts of any version with numbers
        return choose_encoder("")


def _of_all(known: Totalled | None) -> Iterator[Metric]:
    """The same on each instance."""
    about = "Whether the database answers."
    yield GaugeMetricFamily("taskengine_database_up", about, int(known is not None))
    if known is None:
        return
    totals = known.totals
    yield _jobs(totals)
    queued = dict.fromkeys(TASK_QUEUES, 0) | dict(totals.queued)
    yield _by_queue("taskengine_queue_pending", "Tasks waiting for a worker.", queued)
    about = "Age of the task that has waited longest for a worker."
    yield _by_queue("taskengine_queue_oldest_task_seconds", about, known.oldest_tasks)
    for name, about, number in _gauges(known):
        yield GaugeMetricFamily(name, about, number)
    for name, about, number in (
        ("taskengine_tasks_processed_total", "Tasks that ended.", totals.tasks_processed),
        (
            "taskengine_tasks_failed_total",
            "Tasks that failed without a further retry.",
            totals.tasks_failed,
        ),
    ):
        yield CounterMetricFamily(name, about, number)


def _gauges(known: Totalled) -> Iterator[tuple[str, str, float]]:
    """Names, what they are about, and values."""
    yield "taskengine_oldest_queued_job_seconds", "Age of the oldest queued job.", known.oldest_job
    about = "Age of the oldest transaction that keeps dead rows in the database."
    yield "taskengine_snapshot_held_seconds", about, known.snapshot
    yield "taskengine_slots", "The setting max_jobs of the system.", known.slots
    yield "taskengine_slots_held", "Jobs that hold a slot.", known.held
    about = "Callbacks waiting to be delivered, counted up to 100,000."
    yield "taskengine_callbacks_waiting", about, known.callbacks
    about = "Jobs' URLs that were given up, counted up to 10,000."
    yield "taskengine_callback_lanes_dead", about, known.dead
    yield "taskengine_instances", "Live instances.", known.instances


def _jobs(totals: Totals) -> Metric:
    jobs = GaugeMetricFamily("taskengine_jobs", "Jobs by state.", labels=["state", "failed"])
    known = {(state, False): 0 for state in JobState} | {(JobState.COMPLETED, True): 0}
    for (state, failed), number in sorted((known | dict(totals.jobs)).items()):
        jobs.add_metric([state.label, str(failed).lower()], number)
    return jobs


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max((now - since).total_seconds(), 0.0)


def _by_queue(name: str, about: str, values: Mapping[str, float]) -> Metric:
    gauge = GaugeMetricFamily(name, about, labels=["queue"])
    for queue, number in sorted(values.items()):
        gauge.add_metric([queue], number)
    return gauge


def routes(services: Services) -> Sequence[Route]:
    return [Route("GET", "/metrics", Metrics(services).metrics, METRICS)]
