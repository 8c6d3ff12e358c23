"""What was measured, as a table, and as rows for other programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.speed.limit import Limits
from bench.speed.ours import CALLS, TASKS, Ours
from bench.speed.peers import Peer, PeerFigures

COSTS = (
    ("per_second", "jobs/s", "{:,.0f}"),
    ("process_ms", "CPU of the engine or worker, ms", "{:.3f}"),
    ("database_ms", "CPU of the database, ms", "{:.3f}"),
    ("statements", "statements", "{:.2f}"),
    ("transactions", "transactions", "{:.2f}"),
    ("rows", "rows written", "{:.1f}"),
    ("wal", "WAL, B", "{:,.0f}"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of ours beside that of a peer; `goal` is one for the ratio, or for the figure itself
    where there is no peer. With `at_most`, less is better."""

    name: str
    ours: float
    unit: str
    peer: float | None = None
    goal: float | None = None
    at_most: bool = False

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None

    @property
    def content(self) -> dict[str, object]:
        """As JSON has it."""
        sign = "<=" if self.at_most else ">="
        return {
            "name": self.name,
            "ours": round(self.ours, 4),
            "peer": None if self.peer is None else round(self.peer, 4),
            "unit": self.unit,
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "goal": None if self.goal is None else f"{sign} {self.goal:g}",
        }


def _steal() -> float:
    """Seconds in which the machine under this one gave its CPU to others."""
    fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Report:
    """The figures of all rounds; of each the median counts."""

    rounds: int
    ours: list[Ours] = field(default_factory=list)
    limits: list[Limits] = field(default_factory=list)
    peers: dict[str, list[tuple[Peer, PeerFigures]]] = field(default_factory=dict)
    _steal: float = field(default_factory=_steal)
    _loads: list[float] = field(default_factory=list)

    def note_load(self) -> None:
        """To be called between measurements: the load of the last minute."""
        self._loads.append(os.getloadavg()[0])

    @property
    def rows(self) -> list[Row]:
        """All that is compared, or has a goal."""
        return [*self._of_drains(), *self._of_requests(), *self._of_kinds(), *self._of_starts()]

    def _mid(self, figure: Callable[[Ours], float]) -> float:
        return median(figure(one) for one in self.ours)

    def _limit(self, figure: Callable[[Limits], float]) -> float:
        return median(figure(one) for one in self.limits)

    def _of_drains(self) -> Iterator[Row]:
        ours = self._mid(lambda one: one.drain.per_second)
        yield Row("drain, beside a bare loop over the same rows", ours, "jobs/s",
                  self._limit(lambda one: one.drained), 0.6)  # fmt: skip
        for title, rounds in self.peers.items():
            drained = median(figures.drained for _, figures in rounds)
            yield Row(f"drain, beside {title}", ours, "jobs/s", drained, rounds[0][0].goal)
        yield Row("CPU of the engine for a drained job",
                  self._mid(lambda one: one.drain.each["process_ms"] or 0), "ms",
                  goal=0.15, at_most=True)  # fmt: skip

    def _of_requests(self) -> Iterator[Row]:
        yield Row("`GET /livez`, a constant", self._mid(lambda one: one.constant), "1/s")
        yield Row("CPU of a constant", self._mid(lambda one: one.constant_ms), "ms",
                  goal=0.45, at_most=True)  # fmt: skip
        yield Row("`POST /job`, beside the constant", self._mid(lambda one: one.single), "1/s",
                  self._mid(lambda one: one.constant), 0.8)  # fmt: skip
        yield Row("CPU of a `POST /job`", self._mid(lambda one: one.single_ms), "ms",
                  goal=0.7, at_most=True)  # fmt: skip
        yield Row("`POST /jobs/batch` of 1,000", self._mid(lambda one: one.batch), "jobs/s",
                  goal=10_000)  # fmt: skip

    def _of_kinds(self) -> Iterator[Row]:
        drain = self._mid(lambda one: one.drain.per_second)
        yield Row("jobs that fail, beside those that succeed",
                  self._mid(lambda one: one.failing.per_second), "jobs/s", drain, 0.7)  # fmt: skip
        yield Row("tasks of jobs of ten in a row, beside jobs of one",
                  TASKS * self._mid(lambda one: one.rows.per_second), "tasks/s",
                  drain, 0.8)  # fmt: skip
        yield Row("callbacks, signed and in order",
                  CALLS * self._mid(lambda one: one.calling.per_second), "1/s",
                  goal=2_000)  # fmt: skip
        yield Row("CPU of the engine for a callback, its job's included",
                  self._mid(lambda one: one.calling.each["process_ms"] or 0) / CALLS, "ms",
                  goal=0.5, at_most=True)  # fmt: skip

    def _of_starts(self) -> Iterator[Row]:
        for part, goal in ((0.5, 6), (0.95, None), (0.99, 20)):
            yield Row(f"submission to start, idle engine, p{100 * part:g}",
                      1000 * self._mid(lambda one, part=part: _part(one.starts, part)), "ms",
                      goal=goal, at_most=True)  # fmt: skip
        yield Row("resident memory at the end",
                  self._mid(lambda one: one.memory / (1 << 20)), "MiB")  # fmt: skip

    @property
    def table(self) -> str:
        """As Markdown: ratios, the limits, then what a drained job costs."""
        return f"{self._all}\n\n{self._limits}\n\n{self._costs}\n\n{self.noise}"

    @property
    def _all(self) -> str:
        lines = ["| | ours | beside | ratio | goal |", "|---|--:|--:|--:|--:|"]
        for row in self.rows:
            told = row.content
            cells = (
                _shown(row.ours, row.unit),
                "" if row.peer is None else _shown(row.peer, ""),
                "" if row.ratio is None else f"{row.ratio:.2f}",
                told["goal"] or "",
            )
            lines.append(f"| {row.name} | " + " | ".join(map(str, cells)) + " |")
        return "\n".join(lines)

    @property
    def _limits(self) -> str:
        """Parts of the way: no engine that is made of them is faster."""
        found = (
            ("CPU of a submission that is read", lambda one: one.read_ms, "ms"),
            ("callbacks, signed and sent by the same client", lambda one: one.called, "1/s"),
            ("CPU of one of these", lambda one: one.called_ms, "ms"),
            ("rows of a submission, its admission and its claim, p50",
             lambda one: 1000 * one.started, "ms"),
        )  # fmt: skip
        lines = [f"| {name} | {_shown(self._limit(part), unit)} |" for name, part, unit in found]
        return "\n".join(["| a part by itself, with nothing else to do | |", "|---|--:|", *lines])

    @property
    def ratios(self) -> str:
        """What is beside something, as Markdown, with nothing but the ratios."""
        lines = [f"| {row.name} | {row.ratio:.2f} |" for row in self.rows if row.ratio]
        return "\n".join(["| | ratio |", "|---|--:|", *lines])

    @property
    def _costs(self) -> str:
        names = ["ours", *self.peers]
        columns = [[one.drain.each for one in self.ours]]
        columns += [[figures.each for _, figures in rounds] for rounds in self.peers.values()]
        lines = ["| a drained job | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for key, label, form in COSTS[1:]:
            cells = [_middle([one.get(key) for one in column], form) for column in columns]
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    @property
    def noise(self) -> str:
        """How quiet the machine was."""
        loads = [f"{load:.1f}" for load in (min(self._loads), max(self._loads))]
        stolen = _steal() - self._steal
        return (
            f"Medians of {self.rounds} rounds in turns, on one PostgreSQL with durable commits; "
            f"{os.cpu_count()} cores, load {loads[0]} to {loads[1]}, {stolen:.0f} s stolen."
        )


def _part(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def _shown(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _middle(values: Sequence[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return form.format(median(known)) if known else "–"
