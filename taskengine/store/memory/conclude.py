"""The ends of jobs in memory: the controller's last lines and the job callback."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from taskengine.model import JobEnd, JobState, LogLine, TaskState
from taskengine.store.completion import NO_EXTRAS, Extras, extras_of, failure_of, last_words
from taskengine.store.memory.edges import Edges
from taskengine.store.memory.rows import StoredJob, opened
from taskengine.store.overview import hour_of


class Endings(Edges):
    """Jobs whose tasks are all over."""

    def _finish_job(
        self,
        job_id: int,
        last: int,
        at: datetime,
        now: datetime,
        *,
        terse: bool = False,
        stalled: bool = False,
    ) -> list[int]:
        """A job's last words, under the id of its last task, if all its tasks are over."""
        row = self._jobs[job_id]
        if row.open_tasks > 0:
            return []
        row.band = None
        if row.job.state.is_final:
            return [row.job.id]
        seconds = (at - row.job.updated_at).total_seconds()
        end = JobEnd(row.job.id, row.job.client, row.job.workflow, row.job.failed, seconds)
        self._job_ends.append(end)
        row.job = replace(row.job, state=JobState.COMPLETED, updated_at=now)
        self._ends[hour_of(now), row.job.client, row.job.failed] += 1
        first = self._first_failure(row.job.id)
        failure = failure_of(row.job.failed, first, stalled=stalled)
        called = bool(row.submission.urls)
        texts, problems = self._extras(row) if called and not terse else NO_EXTRAS
        for severity, message in last_words(failure, problems, terse=called and terse):
            self._log(LogLine(row.job.id, "controller", message, at, last, severity))
        if terse:
            texts = {"custom_data": "null"}
        self._call_end(row, last, failure, at, texts)
        return [row.job.id]

    def _first_failure(self, job_id: int) -> tuple[str, str | None] | None:
        tasks = (row.task for row in self._tasks_of(job_id))
        failed = (task for task in tasks if task.state is TaskState.FAILED)
        return next(((task.name, task.error) for task in failed), None)

    def _extras(self, row: StoredJob) -> Extras:
        """What the job's workflow adds to its callback."""
        callback = (row.content or {}).get("callback", {})
        if not callback:
            return NO_EXTRAS
        tasks = [task.task for task in self._tasks_of(row.job.id)]
        results = {task.name: task.result or {} for task in tasks}
        one = row.submission
        return extras_of(row.job, callback, opened(one.parameters), results, one.client_scope)
