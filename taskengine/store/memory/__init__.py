"""The store in memory: the executable specification of PostgresStore, and the store of the tests.

What it does stands in the modules beside this, under the same names as in `postgres/`: functions of
the tables. None awaits between reading and writing, so each is atomic; each begins with a
checkpoint, so that it yields as the real one does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import trio

from taskengine.model import LogLine, Task
from taskengine.store.memory import (
    admit,
    cascade,
    cleaning,
    counting,
    details,
    due,
    forecasts,
    gates,
    instances,
    lines,
    listing,
    notify,
    outbox,
    overview,
    record,
    rerunning,
    stalled,
    submit,
    sweeping,
    waiting,
)
from taskengine.store.memory import change as updates  # a method has the module's own name
from taskengine.store.memory import claim as claims
from taskengine.store.memory import clients as accounts
from taskengine.store.memory import news as feed
from taskengine.store.memory import operations as bulk
from taskengine.store.memory import pauses as pausing
from taskengine.store.memory import schedules as timetable
from taskengine.store.memory.tables import Tables

P = ParamSpec("P")
T = TypeVar("T")


def atomic(
    function: Callable[Concatenate[Tables, P], T],
) -> Callable[Concatenate[MemoryStore, P], Coroutine[Any, Any, T]]:
    """A function of the tables as a method of the store."""

    @wraps(function)
    async def method(store: MemoryStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        await trio.lowlevel.checkpoint()
        return function(store.tables, *args, **kwargs)

    return method


class MemoryStore:
    """See taskengine.store.Store."""

    def __init__(self) -> None:
        self.tables = Tables()

    # Instances
    join = atomic(instances.join)
    leave = atomic(instances.leave)
    offer = atomic(instances.offer)
    put_workflows = atomic(instances.put_workflows)
    beat = atomic(instances.beat)
    beats = atomic(instances.beats)
    leases = atomic(instances.leases)
    declare_dead = atomic(instances.declare_dead)
    rescue = atomic(instances.rescue)
    mark_over = atomic(instances.mark_over)
    unserved = atomic(instances.unserved)

    # Pauses
    put_pause = atomic(pausing.put_pause)
    remove_pause = atomic(pausing.remove_pause)
    pauses = atomic(pausing.pauses)
    end_pauses = atomic(pausing.end_pauses)

    # Clients and settings
    client = atomic(accounts.client)
    clients = atomic(accounts.clients)
    clients_named = atomic(accounts.clients_named)
    put_client = atomic(accounts.put)
    remove_client = atomic(accounts.remove)
    settings = atomic(accounts.settings)
    settings_by_client = atomic(accounts.settings_by_client)
    put_setting = atomic(accounts.put_setting)

    # Jobs
    submit = atomic(submit.submit)
    change = atomic(updates.change)
    rerun = atomic(rerunning.rerun)
    retry = atomic(rerunning.retry)
    definition = atomic(details.definition)
    job = atomic(details.load_details)
    outline = atomic(details.load_outline)
    document = atomic(details.document)
    workspaces_in_use = atomic(details.workspaces_in_use)
    waiting_state = atomic(waiting.load_waiting_state)
    jobs = atomic(listing.list_jobs)
    first_in_queue = atomic(listing.first_in_queue)
    totals = atomic(counting.totals)
    news = atomic(feed.read_news)
    progress = atomic(feed.read_progress)

    async def tasks(self, job_id: int) -> AsyncIterator[Sequence[Task]]:
        await trio.lowlevel.checkpoint()
        if found := details.tasks(self.tables, job_id):
            yield found

    async def log(
        self, job_id: int, *, show_all: bool = False, after: int = 0
    ) -> AsyncIterator[Sequence[LogLine]]:
        await trio.lowlevel.checkpoint()
        yield lines.read_log(self.tables, job_id, show_all=show_all, after=after)

    # Gates
    claim_gates = atomic(gates.claim_gates)
    answer_gates = atomic(gates.answer_gates)

    # Work
    queue_due = atomic(due.queue_due)
    slots_held = atomic(admit.running_jobs)
    admit = atomic(admit.admit)
    claim = atomic(claims.claim)
    documents = atomic(claims.documents)
    current = atomic(claims.current)
    record = atomic(record.record)

    # Recurring work
    schedules = atomic(timetable.schedules)
    schedule_body = atomic(timetable.schedule_body)
    schedule_bodies = atomic(timetable.schedule_bodies)
    put_schedule = atomic(timetable.put_schedule)
    remove_schedule = atomic(timetable.remove_schedule)
    activate = atomic(timetable.activate)
    claim_ticks = atomic(timetable.claim_ticks)
    end_tick = atomic(timetable.end_tick)
    clear_old_jobs = atomic(cleaning.clear_old_jobs)
    tidy = atomic(cleaning.tidy)
    sweep_edges = atomic(sweeping.sweep_edges)
    sweep_jobs = atomic(stalled.sweep_jobs)
    cascade = atomic(cascade.cascade)

    # Bulk operations
    start_operation = atomic(bulk.start)
    operation = atomic(bulk.operation)
    operations = atomic(bulk.operations)
    claim_operation = atomic(bulk.claim)
    advance_operation = atomic(bulk.advance)
    changed_jobs = atomic(bulk.changed_jobs)
    abort_operation = atomic(bulk.abort)
    undo_operation = atomic(bulk.undo)
    forget_operations = atomic(bulk.forget)

    # Callbacks
    claim_lanes = atomic(outbox.claim_lanes)
    release_lanes = atomic(outbox.release_lanes)
    deliver = atomic(outbox.deliver)
    replay = atomic(outbox.replay)
    event_body = atomic(outbox.event_body)
    callbacks_waiting = atomic(outbox.callbacks_waiting)
    callbacks = atomic(outbox.callbacks)
    callback_client = atomic(outbox.callback_client)

    # Overview
    some_tasks = atomic(overview.some_tasks)
    task = atomic(overview.task)
    task_summary = atomic(overview.task_summary)
    task_result = atomic(overview.task_result)
    last_lines = atomic(overview.last_lines)
    instances = atomic(overview.instances)
    at_work = atomic(overview.at_work)
    ends_since = atomic(overview.ends_since)
    oldest_waiting = atomic(overview.oldest_waiting)
    oldest_queued = atomic(overview.oldest_queued)
    snapshot_since = atomic(overview.snapshot_since)
    lanes_dead = atomic(overview.lanes_dead)

    # Forecasts
    queue_view = atomic(forecasts.queue_view)
    jobs_not_foretold = atomic(forecasts.jobs_not_foretold)
    put_forecasts = atomic(forecasts.put_forecasts)
    judge_forecasts = atomic(forecasts.judge_forecasts)
    forecast_hits = atomic(forecasts.forecast_hits)

    # Wake-ups
    announce = atomic(notify.announce)

    def listen(self) -> AsyncIterator[str]:
        return notify.listen(self.tables)
