"""When a job is expected to start, in words and as data; or why nobody can tell. Pure."""

from __future__ import annotations

from datetime import datetime

from taskengine.jobs.explanation import WaitingState
from taskengine.jobs.forecast import WITHIN, Forecast, ForecastHits, QueueView, foretold
from taskengine.model import JobState, JsonObject
from taskengine.pauses import PauseKind
from taskengine.times import format_time

NOTHING_KNOWN = "no job has ended lately from which to tell how long jobs last"
TOO_FAR = "too many jobs go before it, or come that do"


def obstacle(waiting: WaitingState, now: datetime) -> str | None:
    """What the job waits for that ends at a time that nobody knows; None: a start can be foretold,
    or the job waits no more."""
    job = waiting.job
    match job.state:
        case JobState.PAUSED:
            return "it is paused"
        case JobState.PENDING if waiting.parents:
            return "it waits for other jobs to complete"
        case JobState.PENDING:
            return "it waits for the end of the job that it runs again"
        case JobState.SCHEDULED if job.semaphore_url is not None and not job.gate_open:
            return "it waits for its gate to open"
        case JobState.SCHEDULED if not waiting.queues_due:
            return "the schedule queue_scheduled_jobs is switched off"
        case JobState.SCHEDULED | JobState.QUEUED:
            return _stop(waiting, now)
    return None


def _stop(waiting: WaitingState, now: datetime) -> str | None:
    """What keeps slots from being given, or from becoming free."""
    job = waiting.job
    for pause in waiting.pauses:
        own = (pause.kind, pause.name) in {
            (PauseKind.CLIENT, job.client),
            (PauseKind.WORKFLOW, job.workflow),
        }
        if pause.holds(now) and (own or pause.kind in (PauseKind.QUEUE, PauseKind.INSTANCE)):
            return f"the {pause.kind} {pause.name} is paused"
    for whose, slots in (("the system", waiting.system), (f"client {job.client}", waiting.client)):
        if slots.settings.max_jobs == 0:
            return f"max_jobs of {whose} is 0"
    return None


def waits(waiting: WaitingState) -> bool:
    """Whether the job has its start before it."""
    return not waiting.job.state.is_final and waiting.job.state is not JobState.STARTED


def expected_start(
    waiting: WaitingState, hindered: str | None, view: QueueView | None, hits: ForecastHits
) -> JsonObject:
    """When it is expected to start, how many jobs start before it, and how often such forecasts
    came true; without a view of the queue, why nobody can tell."""
    if hindered or view is None:
        return _told(None, f"Nobody can tell when it starts: {hindered}.", hits)
    if forecast := foretold(view, waiting.job):
        return _told(forecast, _words(forecast, view.at, hits), hits)
    unknown = TOO_FAR if any(view.run_times.values()) else NOTHING_KNOWN
    return _told(None, f"Nobody can tell when it starts: {unknown}.", hits)


def _told(forecast: Forecast | None, message: str, hits: ForecastHits) -> JsonObject:
    return {
        "at": forecast and format_time(forecast.start_at),
        "ahead": forecast and forecast.ahead,
        "message": message,
        "forecasts": {"judged": hits.judged, "right": hits.right, "share": hits.share},
    }


def _words(forecast: Forecast, now: datetime, hits: ForecastHits) -> str:
    wait = (forecast.start_at - now).total_seconds()
    told = f"It is expected to start {_after(wait)}, after {_jobs(forecast.ahead)}."
    if hits.share is None:
        return f"{told} No such forecast was judged yet."
    rate = f"{hits.share:.0%} of the last {hits.judged:,} such forecasts were right"
    return f"{told} {rate}, to within {WITHIN:.0%} of the wait."


def _after(seconds: float) -> str:
    if seconds < 1:
        return "within moments"
    for length, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"in about {seconds / length:.0f} {unit}"
    return f"in about {max(seconds, 2):.0f} seconds"


def _jobs(number: int) -> str:
    return "1 other job" if number == 1 else f"{number:,} other jobs"
