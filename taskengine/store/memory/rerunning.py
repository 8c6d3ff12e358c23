"""Jobs that run again, in memory: as a whole, or from the tasks that did not complete."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import trio

from taskengine.jobs.continuing import REFUSED, check_kept, check_retried, kept_tasks, line_of_kept
from taskengine.model import BadInput, Definition, Job, JobState, Submission, Task, TaskState
from taskengine.policy import SYSTEM, settings_of
from taskengine.store import Lines
from taskengine.store.completion import Fate, lost_before
from taskengine.store.memory.changes import MemoryChanges
from taskengine.store.memory.rows import COMPLETES, ENDS, Edge, StoredJob, TaskRow
from taskengine.texts import compact

DONE = (TaskState.COMPLETED, TaskState.SKIPPED)


@dataclass(frozen=True, slots=True)
class KeptTasks:
    """What a retry takes over: what became of the tasks before, and which numbers are kept."""

    before: dict[str, TaskRow]
    kept: Collection[int]


class MemoryReruns(MemoryChanges):
    async def rerun(
        self, job_id: int, lines: Lines, now: datetime, anew: Submission | None = None
    ) -> int:
        await trio.lowlevel.checkpoint()
        return self._rerun(job_id, lines, now, anew)

    def _rerun(self, job_id: int, lines: Lines, now: datetime, anew: Submission | None) -> int:
        row = self._known(job_id)
        if row.rerun_as is not None:
            return row.rerun_as
        if row.job.digest is None:
            raise BadInput(REFUSED)
        return self._run_again(row, lines, now, anew, None)

    async def retry(
        self, job_id: int, lines: Lines, now: datetime, anew: Submission | None = None
    ) -> int:
        await trio.lowlevel.checkpoint()
        return self._retry(job_id, lines, now, anew)

    def _retry(self, job_id: int, lines: Lines, now: datetime, anew: Submission | None) -> int:
        row = self._known(job_id)
        if row.rerun_as is not None:
            return row.rerun_as
        check_retried(row.job)
        definition = (anew and anew.definition) or row.definition
        assert definition is not None
        rest = self._rest(row, definition, now)
        if rest is not None:
            lines = [*lines, line_of_kept(job_id, len(rest.kept), len(definition.plan))]
        return self._run_again(row, lines, now, anew, rest)

    def _rest(self, row: StoredJob, definition: Definition, now: datetime) -> KeptTasks | None:
        """None: nothing is taken over, it begins from the start. Raises BadInput."""
        tasks = self._tasks_of(row.job.id)
        if not tasks or row.content is None:
            return None
        done = {one.task.name for one in tasks if one.task.state in DONE}
        kept = kept_tasks(row.content, definition.content, done)
        hours = settings_of(self._settings.get(SYSTEM, {})).retry_hours
        if kept:
            size = sum(len(compact(one.task.result).encode()) for one in tasks if one.task.result)
            check_kept(row.job, now, hours, size)
        elif row.job.updated_at < now - timedelta(hours=hours):
            return None
        return KeptTasks({one.task.name: one for one in tasks}, frozenset(kept))

    def _run_again(
        self,
        row: StoredJob,
        lines: Lines,
        now: datetime,
        anew: Submission | None,
        rest: KeptTasks | None,
    ) -> int:
        """The new job. It waits until no task of the original runs any more."""
        before = row.job.state
        edges = self._edges_again(row)
        row.job = replace(row.job, state=JobState.BROKEN, updated_at=now)
        if not before.is_final:
            self._stop(row, now)
        new = self._copy(row, anew, now, edges)
        if rest is not None:
            self._put_rest(row, new, rest, now)
        row.rerun_as, row.handed_on = new.job.id, before is not JobState.COMPLETED
        self._queue_cascades([row.job.id])  # its edges go to the new one
        self._tell(new.job.id, lines, now)
        return new.job.id

    def _edges_again(self, row: StoredJob) -> Sequence[Edge]:
        """What the new job waits for: the same; of one that was stopped, as it is now, in the last
        runs. Raises BadInput where one of these came to nothing."""
        edges = [one for one in self._edges if one.child == row.job.id]
        if row.job.state is not JobState.BROKEN:
            return edges
        completes = [one for one in edges if one.kind == COMPLETES]
        return [self._edge_now(edge, row) for edge in completes]

    def _edge_now(self, edge: Edge, row: StoredJob) -> Edge:
        if not edge.open and self._is_satisfied(edge, row):
            return edge
        parent = self._last_run(edge.parent)
        run = self._jobs.get(parent)
        if run is None or run.job.failed or run.job.state is JobState.BROKEN:
            raise BadInput(lost_before(parent))
        return Edge(parent, edge.child, COMPLETES, run.job.state is not JobState.COMPLETED)

    def _is_satisfied(self, edge: Edge, row: StoredJob) -> bool:
        if edge.parent not in self._jobs:  # it was cleaned up
            return not row.job.failed
        return self._fate(edge.parent) is Fate.COMPLETED

    def _copy(
        self, row: StoredJob, anew: Submission | None, now: datetime, edges: Sequence[Edge]
    ) -> StoredJob:
        """The same job with these edges; it waits for the end of the original's tasks."""
        submission = anew or row.submission
        definition = submission.definition if anew else row.definition
        if anew and definition:
            self._definitions.setdefault(definition.digest, definition)
        job = Job(
            id=self._next("job"),
            client=row.job.client,
            workflow=row.job.workflow,
            state=JobState.QUEUED,
            failed=False,
            priority=row.job.priority,
            position=row.job.position,
            top_of_queue=row.job.top_of_queue,
            created_at=now,
            updated_at=now,
            run_at=max(row.job.run_at, now),
            content_id=submission.content_id,
            semaphore_url=row.job.semaphore_url,
            persist=row.job.persist,
            digest=definition.digest if definition else None,
        )
        new = StoredJob(job, submission, definition, rerun_of=row.job.id)
        self._jobs[job.id] = new
        self._put_lanes(job.id, submission)
        self._edges += [replace(edge, child=job.id) for edge in edges]
        if row.open_tasks > 0:
            self._edges.append(Edge(row.job.id, job.id, ENDS, open=True))
        self._place(new, now)
        return new

    def _put_rest(self, row: StoredJob, new: StoredJob, rest: KeptTasks, now: datetime) -> None:
        """All tasks of the new job; those that are to run are held until it is admitted."""
        assert new.definition is not None
        new.job = replace(new.job, workspace=row.job.workspace or row.job.id)
        new.open_tasks = len(new.definition.plan) - len(rest.kept)
        for number, planned in enumerate(new.definition.plan):
            before = rest.before.get(planned.name)
            task = Task(
                id=self._next("task"),
                job_id=new.job.id,
                number=number,
                name=planned.name,
                action=planned.action,
                queue=planned.queue,
                state=TaskState.WAITING,
                attempt=before.task.attempt if before else 0,
            )
            needs = tuple(sorted(set(planned.needs)))
            made = TaskRow(task, sum(need not in rest.kept for need in needs), needs, now)
            if before and number in rest.kept:
                kept = replace(before.task, id=task.id, job_id=task.job_id, number=number)
                made.task = replace(kept, queue=task.queue, failures=0, rescues=0)
                made.claimed_at, made.waits_for = before.claimed_at, 0
            self._tasks[task.id] = made
