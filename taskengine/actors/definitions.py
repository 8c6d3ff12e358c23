"""The workflows that jobs keep, by digest: read once, never changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from taskengine.model import Job, NotFound
from taskengine.store import Store
from taskengine.workflows.workflow import Workflow

MAX_KEPT = 500  # workflows kept


@dataclass(slots=True)
class Definitions:
    store: Store
    _known: dict[str, Workflow] = field(default_factory=dict, init=False)

    async def of(self, job: Job) -> Workflow:
        """The workflow that a job was admitted with (rule 15)."""
        digest = job.digest or ""
        if digest not in self._known:
            content = await self.store.definition(digest)
            if content is None:
                raise NotFound(f"the definition of job {job.id} is gone")
            while len(self._known) >= MAX_KEPT:
                del self._known[next(iter(self._known))]
            self._known[digest] = Workflow.from_content(content)
        return self._known[digest]
