"""The verdict: what was promised for each job against what was seen. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.effects import BEGAN, PUBLISHED
from tests.chaos.plans import Plan
from tests.chaos.receiver import Arrival

COMPLETED, BROKEN, PAUSED, STARTED = 2, 4, 6, 1  # states of jobs
TASK_COMPLETED, TASK_FAILED = 3, 4
OVER = range(3, 7)  # states of tasks
END = "end"

Row = Mapping[str, Any]


@dataclass(slots=True)
class Evidence:
    """All that was seen of a run, by clients, receivers, the actions' traces, the triggers."""

    plans: Mapping[int, Plan]  # what was acknowledged, by job
    jobs: Sequence[Row] = ()  # id, state, failed
    tasks: Sequence[Row] = ()  # id, job_id, name, state
    callbacks: Sequence[Row] = ()  # job_id, url, webhook_id, number
    moves: Sequence[Row] = ()  # job_id, before, after
    admissions: Sequence[Row] = ()  # job_id, before
    written_plans: Sequence[Row] = ()  # job_id, tx
    violations: Sequence[Row] = ()  # kind, job_id, task_id, what, process
    effects: Sequence[Row] = ()  # job, task, attempt, kind, in the order of writing
    arrivals: Sequence[Arrival] = ()
    doubles: Sequence[str] = ()


@dataclass(slots=True)
class Verdict:
    """What went wrong, a line for each case."""

    lost: list[str] = field(default_factory=list)
    admitted_twice: list[str] = field(default_factory=list)
    slot_violations: list[str] = field(default_factory=list)
    stale_writes: list[str] = field(default_factory=list)
    callbacks_missing: list[str] = field(default_factory=list)
    callbacks_out_of_order: list[str] = field(default_factory=list)


def judge(seen: Evidence) -> Verdict:
    tasks: dict[int, list[Row]] = defaultdict(list)
    for task in seen.tasks:
        tasks[task["job_id"]].append(task)
    missing, disorder = _callbacks(seen, tasks)
    return Verdict(
        lost=list(_lost(seen, tasks)),
        admitted_twice=list(_admitted_twice(seen)),
        slot_violations=[_told(one) for one in seen.violations if one["kind"] == "slots"],
        stale_writes=[_told(one) for one in seen.violations if one["kind"] == "stale"]
        + list(_stale_effects(seen.effects)),
        callbacks_missing=missing,
        callbacks_out_of_order=disorder,
    )


def _told(one: Row) -> str:
    return f"job {one['job_id']}, task {one['task_id']}: {one['what']} ({one['process']})"


def _lost(seen: Evidence, tasks: Mapping[int, Sequence[Row]]) -> Iterator[str]:
    """Jobs that were acknowledged and whose work was not done to its end."""
    jobs = {job["id"]: job for job in seen.jobs}
    published = {one["task"] for one in seen.effects if one["kind"] == PUBLISHED}
    for job_id, plan in seen.plans.items():
        if (job := jobs.get(job_id)) is None:
            yield f"job {job_id} is gone"
            continue
        if why := _unfinished(plan, job, tasks[job_id], published):
            yield f"job {job_id}: {why}"


def _unfinished(plan: Plan, job: Row, tasks: Sequence[Row], published: set[int]) -> str | None:
    if job["state"] not in (COMPLETED, BROKEN):
        return f"it stays in state {job['state']}"
    if stuck := [task["name"] for task in tasks if task["state"] not in OVER]:
        return f"its tasks {stuck} have not ended"
    if any(t["state"] == TASK_COMPLETED and t["id"] not in published for t in tasks):
        return "a task completed without having run"
    if plan.expected is None:
        return None
    found = "broken" if job["state"] == BROKEN else "failed" if job["failed"] else "completed"
    if found != plan.expected:
        return f"it is {found}, not {plan.expected}"
    done = {task["name"] for task in tasks if task["state"] == TASK_COMPLETED}
    if plan.expected == "completed" and (done != set(plan.shape) or len(tasks) != len(plan.shape)):
        return f"only {sorted(done)} of its tasks were done"
    return None


def _admitted_twice(seen: Evidence) -> Iterator[str]:
    yield from seen.doubles
    for job in seen.jobs:
        if job["id"] not in seen.plans:
            yield f"job {job['id']} is one that nobody submitted"
    resumed = Counter(move["job_id"] for move in seen.moves if move["before"] == PAUSED)
    admitted = Counter(one["job_id"] for one in seen.admissions)
    for job_id, number in admitted.items():
        if number > 1 + resumed[job_id]:
            yield f"job {job_id} was admitted {number} times, resumed {resumed[job_id]}"
    for one in seen.admissions:
        if one["before"] != 0:
            yield f"job {one['job_id']} was admitted from state {one['before']}"
    for job_id, number in Counter(one["job_id"] for one in seen.written_plans).items():
        if number > 1:
            yield f"the tasks of job {job_id} were written {number} times"


def _stale_effects(effects: Sequence[Row]) -> Iterator[str]:
    """What an attempt published after a newer one had begun."""
    newest: dict[int, int] = {}
    for one in effects:
        task, attempt = one["task"], one["attempt"]
        if one["kind"] == BEGAN:
            newest[task] = max(attempt, newest.get(task, 0))
        elif attempt < newest.get(task, 0):
            yield f"task {task}: attempt {attempt} published after {newest[task]} had begun"


def _callbacks(seen: Evidence, tasks: Mapping[int, Sequence[Row]]) -> tuple[list[str], list[str]]:
    """Whom something was owed and has not arrived, and what arrived in a wrong order."""
    numbers = {(c["url"], c["webhook_id"]): c["number"] for c in seen.callbacks}
    jobs = {job["id"]: job for job in seen.jobs}
    started = {move["job_id"] for move in seen.moves if move["after"] == STARTED}
    lanes: dict[tuple[int, str], list[Arrival]] = defaultdict(list)
    for arrival in seen.arrivals:
        lanes[arrival.job_id, arrival.url].append(arrival)
    missing, disorder = [], []
    for job_id, plan in seen.plans.items():
        for url in plan.urls:
            lane = lanes.pop((job_id, url), [])
            had = {(one.task_name, one.event) for one in lane}
            job = jobs.get(job_id)
            for name, event in sorted(_owed(plan, job, tasks[job_id], job_id in started) - had):
                missing.append(f"job {job_id}: {event} of {name or 'the job'} to {url}")
            disorder += [f"job {job_id} at {url}: {why}" for why in _disorder(plan, lane, numbers)]
    disorder += [f"job {job_id}: nobody asked for callbacks to {url}" for job_id, url in lanes]
    return missing, disorder


def _owed(
    plan: Plan, job: Row | None, tasks: Sequence[Row], was_admitted: bool
) -> set[tuple[str, str]]:
    """The callbacks (task, event) that a URL must have had."""
    if job is None or not was_admitted:
        return set()
    owed = {("", END)}
    if job["state"] == BROKEN:
        return owed  # what its tasks did before it was stopped is not told here
    for task in tasks:
        if task["state"] in (TASK_COMPLETED, TASK_FAILED):
            event = "complete" if task["state"] == TASK_COMPLETED else "fail"
            owed |= {(task["name"], "start"), (task["name"], event)}
    return owed


def _disorder(
    plan: Plan, lane: Sequence[Arrival], numbers: Mapping[tuple[str, str], int]
) -> Iterator[str]:
    """Of the first arrivals: by their numbers, and by what has to come before what."""
    ids: dict[tuple[int, str], str] = {}
    last = 0
    told: set[tuple[str, str]] = set()
    for one in lane:
        known = ids.setdefault((one.task_id if one.event != END else 0, one.event), one.webhook_id)
        if known != one.webhook_id:
            yield f"{one.event} of {one.task_name} has two ids"
            continue
        if (one.task_name, one.event) in told:
            continue  # delivered again
        number = numbers.get((one.url, one.webhook_id), 0)
        if number <= last:
            yield f"number {number} after {last}"
        last = max(number, last)
        for name, event in _before(plan, one):
            if (name, event) not in told:
                yield f"{one.event} of {one.task_name} before {event} of {name}"
        if ("", END) in told:
            yield f"{one.event} of {one.task_name} after the end"
        told.add((one.task_name, one.event))


def _before(plan: Plan, one: Arrival) -> list[tuple[str, str]]:
    """What has to have arrived before."""
    name = one.task_name
    if one.event == "start":
        return [(needed, "complete") for needed in plan.shape[name]]
    return [(name, "start")] if one.event in ("complete", "fail") else []
