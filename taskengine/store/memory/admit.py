"""Admission in memory: queued jobs are started as far as the slots reach."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

from taskengine.admission import TASKS_EACH, Candidate, TakenSlots, choose, few_enough
from taskengine.fair_shares import choose_fairly
from taskengine.model import JobState, Task, TaskState
from taskengine.pauses import PauseKind, paused
from taskengine.policy import NOTHING_STARTS, SYSTEM, Band, Settings, settings_of
from taskengine.store import Admitted
from taskengine.store.memory.pauses import hold_jobs
from taskengine.store.memory.rows import StoredJob, TaskRow
from taskengine.store.memory.tables import Tables
from taskengine.workflows.plan import first_state, needs_of


def admit(tables: Tables, instance: int, now: datetime, limit: int = 500) -> Admitted:
    """See Store.admit."""
    hold_jobs(tables, now)
    system = tables.limits(SYSTEM, client=False)
    taken = (running_jobs(tables), system, limits_of(tables, now))
    shares = tables.shares
    if shares.weights:
        chosen = choose_fairly(candidates(tables), TakenSlots.of(*taken), shares)[:limit]
    else:
        chosen = choose(candidates(tables), *taken)[:limit]
    few = few_enough(chosen, limit * TASKS_EACH)
    for candidate, band in few:
        _start(tables, tables.jobs[candidate.id], band, now)
        if shares.weights:
            shares.serve(candidate.client)
    jobs = [tables.jobs[one.id].job for one, _ in few]
    waits = sorted((now - max(job.created_at, job.run_at)).total_seconds() for job in jobs)
    more = len(few) < len(chosen) or len(chosen) == limit or bool(shares.weights and few)
    return Admitted(len(few), more, tuple(waits))


def limits_of(tables: Tables, now: datetime) -> dict[str, Settings]:
    """Of the clients that have limits of their own; a paused one starts nothing."""
    limits = {name: settings_of(own, client=True) for name, own in tables.settings.items()}
    for name in paused(tables.pauses.values(), PauseKind.CLIENT, now):
        limits[name] = NOTHING_STARTS
    return limits


def candidates(tables: Tables) -> list[Candidate]:
    """The queued jobs."""
    return [
        Candidate(
            row.job.id,
            row.job.client,
            row.job.top_of_queue,
            row.job.priority,
            row.job.position,
            row.job.created_at,
            len(row.definition.plan) if row.definition else 0,
        )
        for row in tables.jobs.values()
        if row.job.state is JobState.QUEUED
    ]


def running_jobs(tables: Tables) -> Counter[tuple[str, Band]]:
    """How many jobs hold slots, by client and band."""
    rows = tables.jobs.values()
    return Counter((row.job.client, row.band) for row in rows if row.band is not None)


def _start(tables: Tables, row: StoredJob, band: Band, now: datetime) -> None:
    assert row.definition is not None
    row.job = replace(row.job, state=JobState.STARTED, updated_at=now)
    row.band = band
    if row.open_tasks:  # it was paused: its tasks are written, and held
        _release_held(tables, row, now)
        return
    row.open_tasks = len(row.definition.plan)
    for number, planned in enumerate(row.definition.plan):
        task = Task(
            id=tables.next_id("task"),
            job_id=row.job.id,
            number=number,
            name=planned.name,
            action=planned.action,
            queue=planned.queue,
            state=first_state(planned),
        )
        needs = needs_of(planned)
        tables.tasks[task.id] = TaskRow(task, len(needs), needs, now)


def _release_held(tables: Tables, row: StoredJob, now: datetime) -> None:
    for held in tables.tasks_of(row.job.id):
        if held.task.state is TaskState.WAITING and held.waits_for == 0:
            held.task = replace(held.task, state=TaskState.QUEUED)
            held.due_at = max(held.due_at, now)
