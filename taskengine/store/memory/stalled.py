"""Jobs in memory that hold a slot, though no task of theirs is queued or at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import trio

from taskengine.model import Ended, JobState, Outcome, Recorded, TaskState
from taskengine.store.completion import STALLED
from taskengine.store.memory.attempts import Attempts
from taskengine.store.memory.rows import StoredJob, TaskRow

AT_WORK = (TaskState.QUEUED, TaskState.WORKING)


class Stalled(Attempts):
    """They end as failed."""

    async def sweep_jobs(self, after: int, now: datetime) -> tuple[Recorded, int | None]:
        await trio.lowlevel.checkpoint()
        ended: list[int] = []
        for row in self._jobs.values():
            holds = row.job.state is JobState.STARTED or row.band is not None
            tasks = self._tasks_of(row.job.id)
            at_work = any(one.task.state in AT_WORK for one in tasks)
            if holds and row.job.id > after and not at_work:
                ended += self._end_stalled(row, tasks, now)
        waited = self._settle_edges(ended, now)
        return Recorded(ended_jobs=tuple(ended), called=bool(ended), waited=waited), None

    def _end_stalled(self, row: StoredJob, tasks: Sequence[TaskRow], now: datetime) -> list[int]:
        left = [one for one in tasks if one.task.state is TaskState.WAITING]
        row.open_tasks = len(left)
        if left and row.wanted:
            end = Ended(left[0].fence, now, Outcome.FAILED, error=STALLED)
            return self._end(left[0], end, now)
        failed = row.job.failed or row.job.state is JobState.STARTED
        self._cancel_rest(row.job.id, now)
        row.job = replace(row.job, failed=failed)
        last = tasks[-1].task.id if tasks else 0
        return self._finish_job(row.job.id, last, now, now, stalled=True)
