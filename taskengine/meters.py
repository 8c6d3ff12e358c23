"""What an instance counts and times of itself, in Prometheus' text format. No meter is global:
each engine has its own."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Labels = tuple[str, ...]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
NUMBERS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


@dataclass(slots=True)
class Counter:
    """Grows only. Its values are by labels, in the order of their names."""

    name: str
    about: str
    labels: Labels = ()
    values: dict[Labels, float] = field(default_factory=dict)

    def add(self, *labels: str, by: float = 1) -> None:
        self.values[labels] = self.values.get(labels, 0) + by

    def text(self) -> Iterator[str]:
        given = self.values if self.labels else {(): 0, **self.values}
        samples = ((dict(zip(self.labels, key, strict=True)), n) for key, n in given.items())
        yield from family(self.name, "counter", self.about, samples)


@dataclass(slots=True)
class Histogram:
    """How often values up to each bound were seen, by labels."""

    name: str
    about: str
    bounds: Sequence[float]
    labels: Labels = ()
    counts: dict[Labels, list[int]] = field(default_factory=dict)
    sums: dict[Labels, float] = field(default_factory=dict)

    def observe(self, value: float, *labels: str) -> None:
        if labels not in self.counts:
            self.counts[labels] = [0] * (len(self.bounds) + 1)
        self.counts[labels][bisect_left(self.bounds, value)] += 1
        self.sums[labels] = self.sums.get(labels, 0.0) + value

    def text(self) -> Iterator[str]:
        yield from _head(self.name, "histogram", self.about)
        for key, counts in self.counts.items():
            labels = dict(zip(self.labels, key, strict=True))
            total = 0
            for bound, count in zip([*map(_number, self.bounds), "+Inf"], counts, strict=True):
                total += count
                yield _sample(f"{self.name}_bucket", {**labels, "le": bound}, total)
            yield _sample(f"{self.name}_sum", labels, self.sums[key])
            yield _sample(f"{self.name}_count", labels, total)


class Meters:
    """All that is counted while the engine runs; the rest is read when it is asked for."""

    def __init__(self) -> None:
        self.requests = Histogram(
            "taskengine_http_request_duration_seconds",
            "Time to the answer of requests, of streams to their beginning.",
            SECONDS,
            ("method", "route", "status"),
        )
        self.store = Histogram(
            "taskengine_store_duration_seconds",
            "Time of transactions, with the wait for a connection.",
            SECONDS,
            ("operation",),
        )
        self.store_errors = Counter(
            "taskengine_store_errors_total", "Transactions that failed.", ("operation",)
        )
        self.admissions = Histogram(
            "taskengine_admission_jobs", "Jobs started by an admission that started any.", NUMBERS
        )
        self.claims = Histogram(
            "taskengine_claim_tasks", "Tasks taken by a claim that took any.", NUMBERS, ("queue",)
        )
        self.callbacks = Counter(
            "taskengine_callback_tries_total", "Tries to deliver callbacks.", ("result",)
        )
        self.restarts = Counter(
            "taskengine_actor_restarts_total", "Restarts of actors that crashed.", ("actor",)
        )

    def text(self) -> Iterator[str]:
        for meter in vars(self).values():
            yield from meter.text()


def family(
    name: str, kind: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]]
) -> Iterator[str]:
    """The lines of a metric: its description, then each labelled value."""
    yield from _head(name, kind, about)
    for labels, value in samples:
        yield _sample(name, labels, value)


def _head(name: str, kind: str, about: str) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{told}}} {_number(value)}" if told else f"{name} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
