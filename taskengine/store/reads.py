"""What is only read of the store: jobs, logs, figures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from taskengine.jobs.explanation import WaitingState
from taskengine.model import (
    CallbackEntry,
    Documents,
    Job,
    JobDetails,
    JsonObject,
    JsonText,
    LogLine,
    Task,
)
from taskengine.store.types import JobFilter, Mark, News, Page, Totals, Wanted

DocumentName = Literal["submitted", "parameters", "facts"]  # facts: its client scope
CALLBACKS = 1_000  # of a page of the delivery log


class StoreReads(Protocol):
    """The part of taskengine.store.Store that changes nothing."""

    async def definition(self, digest: str) -> JsonObject | None:
        """The content of a workflow as jobs keep it."""
        ...

    async def job(self, job_id: int) -> JobDetails | None: ...

    async def documents(self, job_id: int, wanted: Wanted) -> Documents:
        """What templates of tasks see of a job, as far as they look at it. Raises NotFound, and
        BadInput where its results are more than one attempt may load."""
        ...

    async def event_body(self, event_id: int) -> bytes:
        """What the URLs of a job are told of an event. Raises NotFound."""
        ...

    async def outline(self, job_id: int) -> JobDetails | None:
        """The job without what may be large: its parameters, client scope and tasks are empty."""
        ...

    def tasks(self, job_id: int) -> AsyncIterator[Sequence[Task]]:
        """The tasks of a job, in order, without their results: page by page, since it may have
        thousands."""
        ...

    async def document(self, job_id: int, name: DocumentName) -> JsonText | None:
        """A document of a job as its text; None if there is no such job."""
        ...

    async def waiting_state(self, job_id: int) -> WaitingState | None:
        """What a job waits for."""
        ...

    async def jobs(self, wanted: JobFilter) -> Page:
        """A page of a list. Following `next`, a job that stays still comes exactly once."""
        ...

    async def first_in_queue(self, limit: int, client: str | None = None) -> Sequence[Job]:
        """Queued jobs, of all clients or of one, in the order of A11."""
        ...

    def log(
        self, job_id: int, *, show_all: bool = False, after: int = 0
    ) -> AsyncIterator[Sequence[LogLine]]:
        """The job's lines in the order of their emission, in pages, behind the line `after`. No
        line ever comes before one that was read (rule 18)."""
        ...

    async def workspaces_in_use(
        self, job_ids: Collection[int], ended_after: datetime
    ) -> frozenset[int]:
        """The jobs whose workspace may still be needed: by one that is not over, or by one that
        failed or was stopped after that time and that may be retried."""
        ...

    async def totals(self) -> Totals: ...

    async def unserved(self) -> Sequence[tuple[str, str]]:
        """Queue and action of tasks that are queued and that no instance runs."""
        ...

    async def news(self, after: Mark | None, limit: int) -> News:
        """The jobs that have changed since a mark, each as it is now, and the next mark; without a
        mark, only the present one. A job's last change is always told; some may be told twice."""
        ...

    async def progress(self) -> Mapping[int, tuple[float, int]]:
        """Of the jobs with a task at work: how much of their tasks is done, and of how many."""
        ...

    async def callbacks_waiting(self) -> int:
        """How many are not delivered, those of dead lanes too; counted up to 100,000."""
        ...

    async def callbacks(
        self, job_id: int, *, after: int = 0, limit: int = CALLBACKS
    ) -> Sequence[CallbackEntry]:
        """A page of a job's delivery log, behind the callback with the id `after`: by URL, in the
        order of delivery."""
        ...

    async def callback_client(self, callback_id: int) -> str:
        """Whose job it tells of. Raises NotFound."""
        ...
