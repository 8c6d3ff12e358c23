"""What an instance counts and times of itself, for Prometheus. No meter is global: each engine has
its own registry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from taskengine.model import TASK_QUEUES, JobEnd, Outcome

# A sample more for each series, which tells since when it is counted: nothing here reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
LONG = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)  # jobs and tasks
NUMBERS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
MOST_NAMES = 100  # of clients, workflows or actions that are told apart
OTHERS = "other"
SERIES = 1_000  # of attempts, that are found without a look-up by their names


class Names:
    """Values of a label: the first of them as they are, all later ones as `other`."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._known: set[str] = set()
        self._most = most

    def __call__(self, name: str) -> str:
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHERS
        self._known.add(name)
        return name


class Meters:
    """All that is counted while the engine runs; the rest is read when it is asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._clients, self._workflows, self._actions = Names(), Names(), Names()
        self.requests = self._histogram(
            "taskengine_http_request_duration_seconds",
            "Time to answer a request; for streams, to their start.",
            SECONDS,
            ("method", "route", "status"),
        )
        self.store = self._histogram(
            "taskengine_store_duration_seconds",
            "Time of a transaction, including the wait for a connection.",
            SECONDS,
            ("operation",),
        )
        self.store_errors = self._counter(
            "taskengine_store_errors_total",
            "Failed transactions and lost connections.",
            ("operation",),
        )
        self.admissions = self._histogram(
            "taskengine_admission_jobs", "Jobs started by one admission, if any.", NUMBERS
        )
        self.claims = self._histogram(
            "taskengine_claim_tasks", "Tasks claimed at once, if any.", NUMBERS, ("queue",)
        )
        self.callbacks = self._counter(
            "taskengine_callback_tries_total", "Callback delivery attempts.", ("result",)
        )
        self.refused = self._counter(
            "taskengine_refused_keys_total", "Requests with a wrong key or an unknown client.", ()
        )
        self.restarts = self._counter(
            "taskengine_actor_restarts_total", "Restarts of crashed actors.", ("actor",)
        )
        self._of_jobs()
        self._begin()

    def _of_jobs(self) -> None:
        self.jobs_ended = self._counter(
            "taskengine_jobs_ended_total",
            "Jobs whose last task ended on this instance.",
            ("client", "workflow", "result"),
        )
        self.job_queue = self._histogram(
            "taskengine_job_queue_seconds",
            "How long jobs were due before they started.",
            LONG,
        )
        self.job_run = self._histogram(
            "taskengine_job_run_seconds",
            "Time from a job's start (or last change) to its end.",
            LONG,
            ("workflow",),
        )
        self.task_run = self._histogram(
            "taskengine_task_run_seconds", "Time of attempts.", LONG, ("action", "result")
        )
        self._series = lru_cache(SERIES)(self.task_run.labels)  # a look-up by names takes longer
        self.loop_delay = self._histogram(
            "taskengine_loop_delay_seconds", "How late the event loop is.", SECONDS
        )

    def _begin(self) -> None:
        """Series that an alert compares are there before their first event."""
        for result in ("delivered", "failed"):
            self.callbacks.labels(result)
        for queue in TASK_QUEUES:
            self.claims.labels(queue)
        self.store_errors.labels("connection")

    def job_ended(self, end: JobEnd) -> None:
        workflow = self._workflows(end.workflow)
        client = self._clients(end.client)
        for result in ("completed", "failed"):  # both are there once one is
            self.jobs_ended.labels(client, workflow, result)
        self.jobs_ended.labels(client, workflow, "failed" if end.failed else "completed").inc()
        self.job_run.labels(workflow).observe(max(end.seconds, 0.0))

    def jobs_started(self, waits: Collection[float]) -> None:
        """Jobs that were due for so many seconds."""
        for seconds in waits:
            self.job_queue.observe(max(seconds, 0.0))

    def task_ended(self, action: str, outcome: Outcome, seconds: float) -> None:
        self._series(self._actions(action), outcome.value).observe(seconds)

    def _counter(self, name: str, about: str, labels: Sequence[str]) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _histogram(
        self, name: str, about: str, bounds: Sequence[float], labels: Sequence[str] = ()
    ) -> Histogram:
        return Histogram(name, about, labels, registry=self.registry, buckets=bounds)
