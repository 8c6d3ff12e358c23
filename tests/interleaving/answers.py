"""What two answers promise together, against the state that is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from taskengine.model import BadInput, JobState, NotFound, Outcome, TaskState
from taskengine.policy import SYSTEM, band_of
from taskengine.store import Changed, Dismissed
from tests.interleaving.actions import Action, Told
from tests.interleaving.invariants import limits, over_the_limits, running
from tests.interleaving.snapshots import State
from tests.interleaving.stepping import Interleaved
from tests.interleaving.worlds import DEAD, Scene

EXPECTED = (BadInput, NotFound, Dismissed)


def broken_promises(
    scene: Scene, one: Action, other: Action, told: Interleaved, state: State
) -> list[str]:
    """In the words of a report."""
    found = [
        f"{action.name} raised {answer.error!r}"
        for action, answer in ((one, told.first), (other, told.second))
        if answer.error is not None and not isinstance(answer.error, EXPECTED)
    ]
    if not scene.crossed:
        found += [f"the runner met {name}" for name in told.collisions]
    pairs = ((one, other, told.first), (other, one, told.second))
    for action, beside, answer in pairs:
        if answer.error is None:
            found += _kept(scene, action, beside, answer.value, state)
    found += _together(one, other, told)
    return found + list(_within_limits(one, other, told, state))


def _kept(scene: Scene, one: Action, other: Action, value: Any, state: State) -> Iterator[str]:
    if isinstance(value, Told):
        yield from _fenced(value, one, other, state)
    if isinstance(value, Changed):
        yield from _changed(value, one, other, state)
    if one.name.startswith("claim-") and "-by-" in one.name:
        yield from _held(value, one, state)
    if one.name.startswith("submit") and not other.removes:
        known = {row["id"] for row in state["jobs"]}
        yield from (f"{one.name} lost job {job}" for job in value if job not in known)
    if one.name == "replay":
        waiting = [row for row in state["callbacks"] if row["delivered_at"] is None]
        if not waiting and not other.name.startswith("deliver"):
            yield "the replayed callback waits nowhere"


def _fenced(told: Told, one: Action, other: Action, state: State) -> Iterator[str]:
    tasks = {row["id"]: row for row in state["tasks"]}
    for end in told.ends:
        line = [end.fence.job_id, end.fence.task_id, told.line]
        written, task = state["logs"].count(line), tasks.get(end.fence.task_id)
        if end.fence in told.stale:
            if written and one.name != other.name:
                yield f"{one.name} was refused, and wrote"
        elif written != 1:
            yield f"{one.name} was accepted, and wrote {written} lines"
        elif end.outcome is Outcome.COMPLETED and task:
            if task["state"] != TaskState.COMPLETED:
                yield f"{one.name} was accepted, and its task is {TaskState(task['state']).label}"
            if task["rescues"]:
                yield f"{one.name} was accepted, though its task had been rescued"


def _changed(told: Changed, one: Action, other: Action, state: State) -> Iterator[str]:
    [job] = [row for row in state["jobs"] if row["id"] == told.job.id] or [None]
    if job is None:
        return
    theirs = {name for name, _ in other.sets} if other.job == one.job else set()
    for name, value in one.sets:
        found = datetime.fromisoformat(job[name]) if isinstance(value, datetime) else job[name]
        if found != value and name not in theirs:
            yield f"{one.name} was accepted, and lost: {found}"
    if told.job.state is JobState.QUEUED and job["band"] is not None and not other.limits:
        band = band_of(told.job.priority, limits(state, SYSTEM), limits(state, told.job.client))
        if band != job["band"] and "priority" not in theirs:
            yield f"{one.name} came before the admission, in the band {job['band']}"


def _held(fences: Any, one: Action, state: State) -> Iterator[str]:
    tasks = {row["id"]: row for row in state["tasks"]}
    holder = int(one.name.rpartition("-")[2])
    for fence in fences:
        task = tasks[fence.task_id]
        if task["attempt"] == fence.attempt and task["holder"] not in (holder, None):
            yield f"{one.name} got task {task['id']}, held by {task['holder']}"


def _together(one: Action, other: Action, told: Interleaved) -> Iterator[str]:
    ours, theirs = told.first.value, told.second.value
    if told.first.error or told.second.error:
        return
    claims = ("claim-", "lanes-")
    if one.name.startswith(claims) and other.name.startswith(claims) and set(ours) & set(theirs):
        yield f"both got {set(ours) & set(theirs)}"
    is_once = one.name.startswith("rerun") or "request_id" in one.name
    if is_once and one.name == other.name and ours != theirs:
        yield f"{one.name} made {ours} and {theirs}"
    if {one.name, other.name} == {"rescue", f"beat-of-{DEAD}"} and None not in (ours, theirs):
        yield "an instance was rescued that had moved"
    names = {one.name, other.name}
    if "rescue-known" in names and not names & {"declare", "declare-and-rescue"}:
        answers = {one.name: ours, other.name: theirs}
        if answers["rescue-known"] is not None:
            yield "an instance was rescued for a death that nobody declared"
    keyed = [name for name in (one.name, other.name) if "idempotency_key" in name]
    if len(keyed) == 2 and len({*ours, *theirs}) != 1:
        yield f"a key made {ours} and {theirs}"


def _within_limits(one: Action, other: Action, told: Interleaved, state: State) -> list[str]:
    if not (one.limits or other.limits):
        return over_the_limits(state)
    # What ran when a lower limit came into force goes on; nothing is added.
    at_most = limits(state, SYSTEM).max_jobs or 0
    number = running(state).total()
    return [
        f"{number} run, where {answer.value} ran when {action.name} came into force"
        for action, answer in ((one, told.first), (other, told.second))
        if action.limits and isinstance(answer.value, int) and number > max(at_most, answer.value)
    ]
