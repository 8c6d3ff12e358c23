"""What has to hold in every state that a store leaves behind, whatever happened at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from taskengine.model import FINAL_STATES, JobState, TaskState
from taskengine.policy import SYSTEM, Settings, settings_of
from tests.interleaving.snapshots import State

GONE_ON = (TaskState.COMPLETED, TaskState.SKIPPED)  # what needs it goes on
FINAL = (*GONE_ON, TaskState.FAILED, TaskState.CANCELLED)

Row = dict[str, Any]


def violations(state: State, *, cleared: bool = False) -> list[str]:
    """In the words of a report; `cleared` says that jobs were removed."""
    found: list[str] = []
    for check in (_jobs, _tasks, _edges, _reruns, _lanes, _ends):
        found += check(state)
    return found + list(_counters(state, cleared))


def limits(state: State, scope: str) -> Settings:
    own = {row["name"]: row["value"] for row in state["settings"] if row["scope"] == scope}
    return settings_of(own, client=scope != SYSTEM)


def running(state: State, client: str | None = None) -> Counter[int]:
    """Jobs that hold slots, by band."""
    return Counter(
        row["band"]
        for row in state["jobs"]
        if row["band"] is not None and client in (None, row["client"])
    )


def over_the_limits(state: State) -> list[str]:
    """Rule 9, at both levels."""
    scopes = [(SYSTEM, running(state))]
    scopes += [(name, running(state, name)) for name in ("acme", "beta")]
    return [
        f"{dict(bands)} run in {scope or 'the system'}, against {limits(state, scope)}"
        for scope, bands in scopes
        if not limits(state, scope).fits(bands[0], bands[1])
    ]


def tasks_of(state: State) -> dict[int, list[Row]]:
    tasks: dict[int, list[Row]] = defaultdict(list)
    for row in state["tasks"]:
        tasks[row["job_id"]].append(row)
    return tasks


def _jobs(state: State) -> Iterator[str]:
    tasks = tasks_of(state)
    for job in state["jobs"]:
        name, own = f"job {job['id']}", tasks[job["id"]]
        still_open = [task for task in own if task["state"] not in FINAL]
        if own and job["open_tasks"] != len(still_open):
            yield f"{name} counts {job['open_tasks']} open tasks, {len(still_open)} are"
        if job["state"] == JobState.STARTED and not job["open_tasks"]:
            yield f"{name} is started and has nothing to do"
        if job["state"] == JobState.COMPLETED and still_open:
            yield f"{name} is completed, but for {len(still_open)} tasks"
        holds = job["state"] == JobState.STARTED
        holds_still = job["state"] == JobState.BROKEN and job["open_tasks"] > 0
        if (holds and job["band"] is None) or (
            job["band"] is not None and not (holds or holds_still)
        ):
            yield f"{name}, {JobState(job['state']).label}, has the band {job['band']}"


def _tasks(state: State) -> Iterator[str]:
    instances = {row["id"] for row in state["instances"]}
    jobs = {row["id"]: row for row in state["jobs"]}
    for job_id, own in tasks_of(state).items():
        if job_id not in jobs:
            yield f"tasks of job {job_id}, which is gone"
            continue
        numbers = {task["number"]: task for task in own}
        if sorted(numbers) != list(range(len(own))):
            yield f"job {job_id} has the tasks {sorted(numbers)}"
        for task in own:
            yield from _task(task, jobs[job_id], numbers, instances)


def _task(task: Row, job: Row, siblings: dict[int, Row], instances: set[int]) -> Iterator[str]:
    name, state = f"task {task['id']} ({task['name']})", TaskState(task["state"])
    if (state is TaskState.WORKING) != (task["holder"] is not None):
        yield f"{name} is {state.label}, held by {task['holder']}"
    if task["holder"] is not None and task["holder"] not in instances:
        yield f"{name} is held by {task['holder']}, which is gone"
    if job["state"] in FINAL_STATES and state in (TaskState.WAITING, TaskState.QUEUED):
        yield f"{name} is {state.label}, though its job is over"
    if state is TaskState.QUEUED and job["state"] != JobState.STARTED:
        yield f"{name} is queued, though its job is {JobState(job['state']).label}"
    if state is TaskState.WAITING:
        needed = [siblings[one] for one in task["needs"] if one in siblings]
        missing = sum(one["state"] not in GONE_ON for one in needed)
        if task["waits_for"] != missing:
            yield f"{name} waits for {task['waits_for']} tasks, {missing} are missing"
        if not missing and job["state"] == JobState.STARTED:
            yield f"{name} waits for nothing"


def _edges(state: State) -> Iterator[str]:
    jobs = {row["id"]: row for row in state["jobs"]}
    waits = Counter(edge["child"] for edge in state["edges"] if edge["open"])
    for job in state["jobs"]:
        if job["state"] not in FINAL_STATES and job["open_edges"] != waits[job["id"]]:
            yield f"job {job['id']} counts {job['open_edges']} edges of {waits[job['id']]}"
        if job["state"] == JobState.PENDING and not waits[job["id"]]:
            yield f"job {job['id']} is pending for nothing"
        if job["state"] in (JobState.QUEUED, JobState.STARTED) and waits[job["id"]]:
            yield f"job {job['id']} did not wait for others"
    yield from _waits(state, jobs)


def _waits(state: State, jobs: dict[int, Row]) -> Iterator[str]:
    """Nobody waits for what is over, but those that are about to be told."""
    told = {row["parent"] for row in state["cascades"]}
    for parent in told & jobs.keys():
        if jobs[parent]["state"] not in FINAL_STATES:
            yield f"those that wait for job {parent} are told of its end, and it goes on"
    for edge in state["edges"]:
        parent, child = jobs.get(edge["parent"]), jobs.get(edge["child"])
        if not edge["open"] or child is None or child["state"] in FINAL_STATES:
            continue
        name = f"job {edge['child']} waits for job {edge['parent']}"
        if edge["kind"] == "completes":
            over = parent is None or parent["state"] in FINAL_STATES
            if over and edge["parent"] not in told:
                yield f"{name}, which is over or gone"
        elif parent is None:
            yield f"{name}, which is gone"
        elif not parent["open_tasks"]:
            yield f"{name}, whose tasks have ended"


def _reruns(state: State) -> Iterator[str]:
    made = {row["id"]: row["rerun_of"] for row in state["jobs"] if row["rerun_of"]}
    for original, number in Counter(made.values()).items():
        if number > 1:
            yield f"job {original} was run again {number} times"
    for job in state["jobs"]:
        if job["rerun_as"] is not None and job["state"] != JobState.BROKEN:
            yield f"job {job['id']} was run again and is {JobState(job['state']).label}"


def _lanes(state: State) -> Iterator[str]:
    instances = {row["id"] for row in state["instances"]}
    calls: dict[int, list[Row]] = defaultdict(list)
    for row in state["callbacks"]:
        calls[row["lane_id"]].append(row)
    if lost := calls.keys() - {row["id"] for row in state["lanes"]}:
        yield f"callbacks of lanes that are gone: {sorted(lost)}"
    for lane in state["lanes"]:
        name, own = f"lane {lane['id']}", calls[lane["id"]]
        if [row["number"] for row in own] != list(range(1, lane["last_number"] + 1)):
            yield f"{name} is at {lane['last_number']}: {[row['number'] for row in own]}"
        for (task, event), number in Counter((c["task_id"], c["event"]) for c in own).items():
            if number > 1:
                yield f"{name} tells of {event} of task {task} {number} times"
        waits = any(row["delivered_at"] is None for row in own)
        if waits and not lane["dead"] and lane["due_at"] is None:
            yield f"{name} is never due"
        if lane["holder"] is not None and lane["holder"] not in instances:
            yield f"{name} is held by {lane['holder']}, which is gone"


def _ends(state: State) -> Iterator[str]:
    """The job callback is the last one, but for the ends of tasks that nobody waits for."""
    ends = Counter(row["lane_id"] for row in state["callbacks"] if row["event"] == "end")
    jobs = {row["id"]: row for row in state["jobs"]}
    for lane in state["lanes"]:
        job = jobs.get(lane["job_id"])
        if job is None:
            yield f"lane {lane['id']} of job {lane['job_id']}, which is gone"
        elif job["state"] == JobState.COMPLETED and ends[lane["id"]] != 1:
            yield f"job {job['id']} is completed and told so {ends[lane['id']]} times"
        elif job["state"] not in FINAL_STATES and ends[lane["id"]]:
            yield f"job {job['id']} told of its end and is {JobState(job['state']).label}"


def _counters(state: State, cleared: bool) -> Iterator[str]:
    rows = Counter((row["client"], row["state"], row["failed"]) for row in state["jobs"])
    counted: Counter[Any] = Counter()
    for row in state["counters"]:
        counted[row["client"], row["state"], row["failed"]] += row["n"]
    for key in sorted(rows.keys() | counted.keys()):
        if rows[key] != counted[key]:
            yield f"{counted[key]} jobs are counted as {key}, {rows[key]} are"
    ended = Counter(row["state"] for row in state["tasks"])
    told: Counter[int] = Counter()
    for row in state["task_counters"]:
        told[row["state"]] += row["n"]
    for one in (*GONE_ON, TaskState.FAILED):
        if told[one] != ended[one] and not (cleared and told[one] > ended[one]):
            yield f"{told[one]} tasks are counted as {one.label}, {ended[one]} are"
