"""The workflows that jobs keep, by digest: read once, never changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from taskengine.model import Job, NotFound
from taskengine.runtime.recent import Recent
from taskengine.store import Store
from taskengine.workflows.workflow import Workflow

MAX_KEPT = 500  # workflows kept


@dataclass(slots=True)
class Definitions:
    store: Store
    _known: Recent[str, Workflow] = field(default_factory=lambda: Recent(MAX_KEPT), init=False)

    async def of(self, job: Job) -> Workflow:
        """The workflow that a job was admitted with (rule 15)."""
        digest = job.digest or ""
        workflow = self._known.get(digest)
        if workflow is None:
            content = await self.store.definition(digest)
            if content is None:
                raise NotFound(f"the definition of job {job.id} is gone")
            workflow = Workflow.from_content(content)
            self._known.keep(digest, workflow)
        return workflow
