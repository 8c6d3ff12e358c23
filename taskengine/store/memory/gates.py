"""Gates of jobs in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from taskengine.model import JobState, LogLine
from taskengine.store import Gate, GateAnswer
from taskengine.store.memory.lines import add_line, keep_short
from taskengine.store.memory.outbox import few_for_each_host
from taskengine.store.memory.tables import Tables


def claim_gates(
    tables: Tables, limit: int, busy_hosts: Collection[str], now: datetime, lease: timedelta
) -> tuple[Sequence[Gate], datetime | None]:
    """See Store.claim_gates."""
    shut = [
        (row.gate_due_at or row.job.run_at, row.job.id)
        for row in tables.jobs.values()
        if tables.queues_due
        and row.job.state is JobState.SCHEDULED
        and row.job.semaphore_url is not None
        and not row.job.gate_open
    ]
    due = sorted(one for one in shut if one[0] <= now and tables.jobs[one[1]].job.run_at <= now)
    waiting = [tables.jobs[job_id] for _, job_id in due]
    taken = few_for_each_host(waiting, lambda row: row.job.semaphore_url or "", busy_hosts)[:limit]
    for row in taken:
        row.gate_due_at = now + lease
    gates = [
        Gate(row.job.id, row.job.semaphore_url or "", row.gate_failures, row.gate_answer)
        for row in taken
    ]
    later = [max(time, tables.jobs[job_id].job.run_at) for time, job_id in shut if time > now]
    later += [row.gate_due_at for row in taken if row.gate_due_at is not None]
    return gates, min(later, default=None)


def answer_gates(tables: Tables, answers: Sequence[GateAnswer]) -> int:
    """See Store.answer_gates."""
    return sum(_answer(tables, one) for one in answers)


def _answer(tables: Tables, one: GateAnswer) -> bool:
    row = tables.jobs.get(one.gate.job_id)
    if row is None or row.job.state is not JobState.SCHEDULED:
        return False
    if row.job.semaphore_url != one.gate.url or row.job.run_at > one.at:
        return False  # the job has changed since
    is_open = one.due_at is None
    if is_open:
        row.job = replace(row.job, state=JobState.QUEUED, gate_open=True, updated_at=one.at)
    else:
        row.gate_failures, row.gate_due_at = row.gate_failures + 1, one.due_at
    row.gate_answer = one.answer
    if one.answer != one.gate.answer:
        told = f"The gate {'is open' if is_open else 'is closed'}: {one.answer}"
        add_line(tables, LogLine(row.job.id, "scheduler", told, one.at))
        keep_short(tables, row.job.id, one.at)
    return is_open
