"""Counters: changed in the transaction that changes the state, in key order (rule 19)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from taskengine.model import JobState, TaskState
from taskengine.store.overview import hour_of
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, Row, columns

JobKey = tuple[str, int, bool]  # client, state, failed
EndKey = tuple[datetime, str, bool]  # hour, client, failed


@dataclass(slots=True)
class Tally:
    """The changes of one transaction."""

    jobs: Counter[JobKey] = field(default_factory=Counter)
    tasks: Counter[TaskState] = field(default_factory=Counter)
    ends: Counter[EndKey] = field(default_factory=Counter)
    cascades: int = 0  # that were queued: of jobs that are over and that others wait for

    def moved(self, row: Row, before: JobState, after: JobState) -> None:
        """A job, of which `row` tells the client and whether it failed, went to another state."""
        self.jobs[row["client"], int(before), row["failed"]] -= 1
        self.jobs[row["client"], int(after), row["failed"]] += 1

    def ended(self, client: str, failed: bool, now: datetime) -> None:
        """A job came to its end by itself."""
        self.ends[hour_of(now), client, failed] += 1

    def adds(self, state: JobState) -> bool:
        """Whether jobs came to a state."""
        return any(key[1] == state and number > 0 for key, number in self.jobs.items())

    async def write(self, connection: Connection, writer: int) -> None:
        """To be called last: counter rows come after all others in the order of locks."""
        jobs = [(*key, number) for key, number in sorted(self.jobs.items()) if number]
        tasks = [(int(state), number) for state, number in sorted(self.tasks.items()) if number]
        if jobs:
            await connection.execute(SQL["count_jobs"], writer, *columns(jobs, 4))
        if tasks:
            await connection.execute(SQL["count_tasks"], writer, *columns(tasks, 2))
        if self.ends:
            ends = [(*key, number) for key, number in sorted(self.ends.items())]
            await connection.execute(SQL["count_ends"], writer, *columns(ends, 4))
