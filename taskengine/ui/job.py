"""A job: its tasks in time, why it waits, what came of it, its log, its callbacks."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import Any

from quart import Response

from taskengine.api.json_body import is_heavy
from taskengine.api.resources.callbacks import callback_row
from taskengine.api.resources.explain import Explain
from taskengine.api.resources.jobs import Jobs
from taskengine.api.routes import job_number
from taskengine.model import BadInput, Job, JobDetails, NotFound, TaskState
from taskengine.store.overview import TaskSummary
from taskengine.store.types import percent
from taskengine.ui.asking import answers
from taskengine.ui.plan import drawn
from taskengine.ui.results import result_of
from taskengine.ui.routes import PageRoute
from taskengine.ui.tasks import seen_task
from taskengine.ui.timeline import timeline
from taskengine.ui.visit import Visit
from taskengine.workflows.display import shown_definition

TASKS = 100  # on a page
LINES = 200  # of the log on a page
CALLBACKS = 200  # on a page
TASK_STATES = {state.label: state for state in TaskState}


async def overview(visit: Visit, job_id: str) -> Response:
    details = await visit.job(job_number(job_id))
    job, store = details.job, visit.services.store
    after, state = visit.query.number("after"), _task_state(visit)
    place = -1 if after is None else after
    found = await answers(
        explained=partial(Explain(visit.services).explained, job.id, visit.only),
        summary=partial(store.task_summary, job.id),
        tasks=partial(store.some_tasks, job.id, TASKS + 1, after=place, state=state),
        result=partial(result_of, visit, details),
        lines=partial(store.last_lines, job.id, 30),
    )
    summary, tasks = found.pop("summary"), found.pop("tasks")
    shown = tasks[:TASKS]
    return visit.page(
        "job.html",
        **about(visit, details, "tasks", summary),
        rows=timeline(shown, *_span(job, summary, visit.services.now())),
        later=shown[-1].number if len(tasks) > TASKS else None,
        after=after,
        chosen=state,
        **found,
    )


def about(
    visit: Visit, details: JobDetails, tab: str, summary: TaskSummary | None = None
) -> dict[str, Any]:
    """What each page of a job has on top."""
    job = details.job
    done = summary and percent(job.state, summary.done, summary.number)
    return {"details": details, "job": job, "tab": tab, "summary": summary, "progress": done}


def _task_state(visit: Visit) -> TaskState | None:
    text = visit.query.text("state")
    if text is not None and text not in TASK_STATES:
        raise BadInput(f"state: expected one of {', '.join(TASK_STATES)}, got {text[:40]!r}")
    return None if text is None else TASK_STATES[text]


def _span(job: Job, summary: TaskSummary, now: datetime) -> tuple[datetime, datetime]:
    """The time that the timeline shows."""
    start = summary.started_at or job.created_at
    end = summary.ended_at if job.state.is_final and summary.ended_at else now
    return start, max(start, end)


async def log(visit: Visit, job_id: str) -> Response:
    details = await visit.job(job_number(job_id))
    before, show_all = visit.query.number("before"), visit.query.flag("show_all")
    lines = await visit.services.store.last_lines(
        details.job.id, LINES + 1, show_all=show_all, before=before
    )
    return visit.page(
        "job_log.html",
        **about(visit, details, "log"),
        lines=lines[-LINES:],
        earlier=lines[-LINES].id if len(lines) > LINES else None,
        before=before,
        show_all=show_all,
    )


async def callbacks(visit: Visit, job_id: str) -> Response:
    details = await visit.job(job_number(job_id))
    after = visit.query.number("after") or 0
    entries = await visit.services.store.callbacks(details.job.id, after=after, limit=CALLBACKS + 1)
    return visit.page(
        "job_callbacks.html",
        **about(visit, details, "callbacks"),
        entries=[callback_row(entry) for entry in entries[:CALLBACKS]],
        later=entries[CALLBACKS - 1].id if len(entries) > CALLBACKS else None,
    )


async def parameters(visit: Visit, job_id: str) -> Response:
    """What was submitted, and the definition that the job keeps."""
    details = await visit.job(job_number(job_id))
    kept = await visit.services.workflow(details.job)
    text = await Jobs(visit.services).parameters(details)
    current = visit.services.library().find(details.job.client, details.job.workflow)
    return visit.page(
        "job_parameters.html",
        **about(visit, details, "parameters"),
        submitted=text.decode() if is_heavy(text) else json.loads(text),
        definition=shown_definition(kept.content) if kept else None,
        plan=drawn(kept) if kept else None,
        in_force=current is not None and current.definition.digest == details.job.digest,
    )


async def task(visit: Visit, job_id: str, name: str) -> Response:
    """What a task was given and what it gave, the secrets masked."""
    details = await visit.job(job_number(job_id))
    found = await visit.services.store.task(details.job.id, name)
    if found is None:
        raise NotFound(f"job {details.job.id} has no task {name[:40]!r}")
    seen = await seen_task(visit, details, found)
    return visit.page("task.html", **about(visit, details, "tasks"), task=found, seen=seen)


ROUTES = [
    PageRoute("GET", "/jobs/<job_id>", overview, query=("after", "state")),
    PageRoute("GET", "/jobs/<job_id>/log", log, query=("before", "show_all")),
    PageRoute("GET", "/jobs/<job_id>/callbacks", callbacks, query=("after",)),
    PageRoute("GET", "/jobs/<job_id>/parameters", parameters),
    PageRoute("GET", "/jobs/<job_id>/tasks/<name>", task),
]
