"""GET /metrics: figures of this instance and of all, for Prometheus."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import trio
from quart import Response

from taskengine.api.auth import caller, given_key, header
from taskengine.api.openapi.operation import TEXT, Answer, Operation
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.counters import CountersUnavailable
from taskengine.meters import family
from taskengine.model import StoreUnavailable
from taskengine.store import Totals

PATIENCE = 2  # seconds for the database, and for the mirror
MAX_KNOWN = 100  # callers that are remembered
MEDIA = "text/plain"
METRICS = Operation(
    summary="Figures for Prometheus",
    tag="status",
    description="While the database is away, who has asked before is told what needs no database.",
    answer=Answer("Text format 0.0.4.", TEXT, MEDIA),
)


@dataclass(frozen=True, slots=True)
class Totalled:
    """What the database knows of all instances."""

    totals: Totals
    callbacks: int
    instances: int


@dataclass(frozen=True, slots=True)
class Metrics:
    services: Services
    _known: dict[str, None] = field(default_factory=dict)  # callers, by a digest

    async def metrics(self) -> Response:
        totalled = None
        asks = hashlib.sha256(f"{header('client')}\0{given_key()}".encode()).hexdigest()
        try:
            with trio.fail_after(PATIENCE):
                await caller(self.services)
                self._remember(asks)
                totalled = await self._totalled()
        except (StoreUnavailable, trio.TooSlowError):
            if asks not in self._known:
                raise StoreUnavailable("nobody can be known") from None
        lines = [*self._own(), *await self._mirror(), *_of_all(totalled)]
        text = "\n".join([*lines, *self.services.meters.text(), ""])
        return Response(text, content_type=f"{MEDIA}; version=0.0.4; charset=utf-8")

    def _remember(self, asks: str) -> None:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[asks] = None

    async def _totalled(self) -> Totalled:
        store = self.services.store
        totals = await store.totals()
        return Totalled(totals, await store.callbacks_waiting(), len(await store.beats()))

    async def _mirror(self) -> Iterator[str]:
        up = 0
        if self.services.counters is not None:
            try:
                with trio.fail_after(PATIENCE):
                    await self.services.counters.total()
                up = 1
            except (CountersUnavailable, trio.TooSlowError):
                pass
        return _gauge("taskengine_mirror_up", "Whether the mirror answers; 0 without one.", up)

    def _own(self) -> Iterator[str]:
        labels = {"version": self.services.version}
        yield from family("taskengine_info", "gauge", "What runs here.", [(labels, 1)])
        counts = self.services.counts()
        yield from _by_queue(
            "taskengine_queue_workers",
            "Workers of this instance.",
            {queue: count.workers for queue, count in counts.items()},
        )
        yield from _by_queue(
            "taskengine_queue_working",
            "Workers of this instance that are at work.",
            {queue: count.working for queue, count in counts.items()},
        )
        streams = self.services.herald.streams if self.services.herald else 0
        yield from _gauge("taskengine_event_streams", "Readers of /events.", streams)


def _of_all(known: Totalled | None) -> Iterator[str]:
    """The same on each instance."""
    yield from _gauge(
        "taskengine_database_up", "Whether the database answers.", int(known is not None)
    )
    if known is None:
        return
    totals = known.totals
    jobs: Sequence[tuple[Mapping[str, str], float]] = [
        ({"state": state.label, "failed": str(failed).lower()}, number)
        for (state, failed), number in sorted(totals.jobs.items())
    ]
    yield from family("taskengine_jobs", "gauge", "Jobs that there are.", jobs)
    yield from _by_queue("taskengine_queue_pending", "Tasks that wait.", totals.queued)
    for name, about, number in (
        ("taskengine_tasks_processed_total", "Tasks that ended.", totals.tasks_processed),
        ("taskengine_tasks_failed_total", "Tasks that failed for good.", totals.tasks_failed),
    ):
        yield from family(name, "counter", about, [({}, number)])
    about = "Callbacks not delivered, counted up to 100,000."
    yield from _gauge("taskengine_callbacks_waiting", about, known.callbacks)
    yield from _gauge("taskengine_instances", "Instances that are alive.", known.instances)


def _gauge(name: str, about: str, value: float) -> Iterator[str]:
    return family(name, "gauge", about, [({}, value)])


def _by_queue(name: str, about: str, values: Mapping[str, int]) -> Iterator[str]:
    return family(name, "gauge", about, [({"queue": one}, n) for one, n in sorted(values.items())])


def routes(services: Services) -> Sequence[Route]:
    return [Route("GET", "/metrics", Metrics(services).metrics, METRICS)]
