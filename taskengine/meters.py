"""What an instance counts and times of itself, for Prometheus. No meter is global: each engine has
its own registry."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

# A sample more for each series, which tells since when it is counted: nothing here reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
NUMBERS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


class Meters:
    """All that is counted while the engine runs; the rest is read when it is asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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

    def _counter(self, name: str, about: str, labels: Sequence[str]) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _histogram(
        self, name: str, about: str, bounds: Sequence[float], labels: Sequence[str] = ()
    ) -> Histogram:
        return Histogram(name, about, labels, registry=self.registry, buckets=bounds)
