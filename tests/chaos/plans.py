"""What is submitted: jobs of one to four tasks, with all that may become of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.chaos.place import ADMIN, CLIENTS

# By workflow: its tasks in order, each with those it needs.
SHAPES: dict[str, dict[str, tuple[str, ...]]] = {
    "chaos_one": {"a": ()},
    "chaos_two": {"a": (), "b": ("a",)},
    "chaos_three": {"a": (), "b": (), "c": ("a", "b")},
    "chaos_four": {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")},
}
POISONED = "chaos_poison"
# What its action raises: no attempt may take more than itself along.
POISONS = ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException", "untellable")
FOREVER = 99  # failures: more than any limit of retries
TAMPERINGS = ("pause", "break", "rerun")


@dataclass(slots=True)
class Plan:
    """A job that a client wants; `job_id` is known once it was acknowledged."""

    key: str
    client: str
    workflow: str
    seconds: list[float]
    failures: list[int]
    child: bool
    urls: list[str]
    priority: int
    run_after: float | None = None  # seconds
    gate: str | None = None
    parent: Plan | None = field(default=None, repr=False)
    tampering: str | None = None
    job_id: int | None = None
    more: dict[str, object] = field(default_factory=dict, repr=False)  # parameters

    @property
    def shape(self) -> dict[str, tuple[str, ...]]:
        return SHAPES.get(self.workflow, SHAPES["chaos_one"])

    @property
    def failing(self) -> set[str]:
        return {t for t, n in zip(self.shape, self.failures, strict=True) if n == FOREVER}

    @property
    def expected(self) -> str | None:
        """How it has to end; None: as the clients' changes had it."""
        if self.tampering in ("break", "rerun"):
            return None
        return "failed" if self.failing else "completed"

    def body(self, now: datetime) -> dict:
        job = {"workflow": self.workflow, "priority": self.priority}
        if self.run_after is not None:
            job["run_at"] = (now + timedelta(seconds=self.run_after)).isoformat()
        if self.gate is not None:
            job["semaphore_url"] = self.gate
        if self.parent is not None:
            job["depends_on"] = [self.parent.job_id]
        parameters = {
            "seconds": self.seconds,
            "failures": self.failures,
            "child": self.child,
            "content_id": self.key,
            "rest_endpoints": self.urls,
            **self.more,
        }
        return {"client": self.client, "job": job, "parameters": parameters}

    def again(self, job_id: int) -> Plan:
        """What a rerun makes of it."""
        return Plan(
            key=f"{self.key}-again",
            client=self.client,
            workflow=self.workflow,
            seconds=self.seconds,
            failures=self.failures,
            child=self.child,
            urls=self.urls,
            priority=self.priority,
            job_id=job_id,
            more=self.more,
        )


@dataclass(slots=True)
class Planner:
    """Makes plans; the same ones for the same seed."""

    random: random.Random
    receivers: list[str]
    gates: str
    longest: float  # seconds of a task
    parents: list[Plan] = field(default_factory=list)
    _number: int = 0

    def plan(self) -> Plan:
        self._number += 1
        dice = self.random
        workflow = dice.choice(list(SHAPES))
        count = len(SHAPES[workflow])
        plan = Plan(
            key=f"job-{self._number}",
            client=dice.choice((ADMIN, *CLIENTS)),
            workflow=workflow,
            seconds=[self._seconds() for _ in range(count)],
            failures=[dice.choices((0, 1, 2), (92, 6, 2))[0] for _ in range(count)],
            child=dice.random() < 0.03,
            urls=dice.sample(self.receivers, dice.choice((1, 1, 2))),
            priority=dice.randint(1, 10),
        )
        self._complicate(plan)
        if plan.expected == "completed" and plan.tampering is None:
            self.parents = [*self.parents[-50:], plan]
        return plan

    def plain(self, **fields: object) -> Plan:
        """A job of one quick task, but for what is given."""
        self._number += 1
        given = {
            "client": self.random.choice((ADMIN, *CLIENTS)),
            "workflow": "chaos_one",
            "seconds": [0.0],
            "failures": [0],
            "child": False,
            "urls": self.receivers[:1],
            "priority": 5,
        }
        return Plan(key=f"job-{self._number}", **(given | fields))

    def _seconds(self) -> float:
        kinds = (0.0, 0.2, 1.0, self.longest / 2, self.longest)
        return round(self.random.choices(kinds, (30, 25, 25, 12, 8))[0] * self.random.random(), 3)

    def _complicate(self, plan: Plan) -> None:
        dice = self.random
        known = [p for p in self.parents if p.job_id is not None and p.client == plan.client]
        match dice.choices(
            ("", "fails", "later", "gate", "child", *TAMPERINGS), (76, 4, 4, 3, 4, 3, 3, 3)
        )[0]:
            case "fails":
                plan.failures[dice.randrange(len(plan.failures))] = FOREVER
            case "later":
                plan.run_after = 3 * dice.random()
            case "gate":
                plan.gate = f"{self.gates}/{plan.key}"
            case "child" if known:
                plan.parent = dice.choice(known)
            case tampering if tampering in TAMPERINGS:
                plan.tampering = tampering


def now() -> datetime:
    return datetime.now(UTC)
