"""What a task was given and what it gave, as far as a page may show it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial

from taskengine.actors.inputs import Inputs, read_inputs, wanted_of
from taskengine.masking import STARS, masked, without
from taskengine.model import Attempt, BadInput, JobDetails, Json, Task, TaskState
from taskengine.runtime.threads import in_thread
from taskengine.ui.visit import Visit
from taskengine.workflows.display import is_lookup
from taskengine.workflows.workflow import TaskTemplate, Workflow

LARGEST = 256 << 10  # bytes of a result, and of the documents that inputs are made of
BEGUN = (TaskState.WORKING, TaskState.COMPLETED, TaskState.FAILED)


@dataclass(frozen=True, slots=True)
class SeenTask:
    """`inputs` as the action had them, or has; None: they are not known, for the reason given.
    `template` is what the workflow says of them. `result` None: there is none, or a large one."""

    template: Json
    needs: tuple[str, ...]
    inputs: Json
    reason: str
    result: Json
    size: int


async def seen_task(visit: Visit, details: JobDetails, task: Task) -> SeenTask:
    """Raises NotFound if the job was cleaned up a moment ago."""
    workflow = await visit.services.definitions.of(details.job)
    template = workflow.task(task.name)
    inputs, reason = await _inputs(visit, details, task, workflow, template)
    result, size = await visit.services.store.task_result(details.job.id, task.name, LARGEST)
    secrets = inputs.secrets if inputs else frozenset[str]()
    shown = partial(_shown, secrets=secrets, names=workflow.secrets)
    return SeenTask(
        template=masked(template.with_, workflow.secrets, keep=is_lookup),
        needs=workflow.needs(task.number),
        inputs=None if inputs is None or reason else shown(inputs.arguments),
        reason=reason,
        result=None if result is None else await in_thread(lambda: shown(json.loads(result)), size),
        size=size,
    )


async def _inputs(
    visit: Visit, details: JobDetails, task: Task, workflow: Workflow, template: TaskTemplate
) -> tuple[Inputs | None, str]:
    """What the templates give with the documents of now. Without the secrets that are lent."""
    store = visit.services.store
    facts = await store.document(details.job.id, "facts")
    try:
        documents = await store.documents(details.job.id, wanted_of(workflow, template))
    except BadInput as large:
        return None, str(large)
    if documents.size > LARGEST:
        return None, "They are made of documents that are too large for a page."
    attempt = Attempt(
        task, details.job, documents, json.loads(facts or "{}"), None, details.job.created_at
    )
    lent = dict.fromkeys(visit.services.configuration.secrets, STARS)
    inputs = await read_inputs(store, attempt, workflow, template, lent)
    return inputs, _reason(task, inputs)


def _reason(task: Task, inputs: Inputs) -> str:
    if task.state is TaskState.SKIPPED:
        return "The task was skipped: its condition was false."
    if task.state not in BEGUN:
        return "The task has not begun: they are not known yet."
    if isinstance(inputs.arguments, Exception):
        return f"They cannot be made: {inputs.arguments}"
    return ""


def _shown(value: Json, secrets: frozenset[str], names: frozenset[str]) -> Json:
    return without(masked(value, names), secrets)
