"""What an attempt begins with: the arguments of its action, rendered from its job's documents.

A document may be large, and a task may run for hours: it keeps what its templates gave, and nothing
besides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from taskengine.masking import HINTS, secret_values
from taskengine.model import Attempt, Documents, JsonObject
from taskengine.runtime.threads import in_thread
from taskengine.store import Store, Wanted
from taskengine.workflows.scope import job_scope, scope
from taskengine.workflows.templates import evaluate, names_used
from taskengine.workflows.workflow import TaskTemplate, Workflow


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the documents gave."""

    secrets: frozenset[str]  # that no line may show
    condition: bool | Exception = True  # whether the task is to run, or why nobody can tell
    arguments: JsonObject | Exception = field(default_factory=dict)  # of its action

    @property
    def wanted(self) -> bool:
        """Whether the task is to run. Raises what kept its condition from being rendered."""
        if isinstance(self.condition, Exception):
            raise self.condition
        return self.condition

    @property
    def values(self) -> JsonObject:
        """The arguments of the action. Raises what kept them from being rendered."""
        if isinstance(self.arguments, Exception):
            raise self.arguments
        return self.arguments


async def read_inputs(
    store: Store,
    attempt: Attempt,
    workflow: Workflow,
    template: TaskTemplate,
    lent: Mapping[str, str],
) -> Inputs:
    """With the secrets that are lent to the arguments. Raises BadInput where its templates look up
    more than an attempt may load."""
    documents = attempt.documents
    if documents is None or documents.results is None:
        wanted = wanted_of(workflow, template)
        if documents is None or wanted.results != frozenset():
            documents = await store.documents(attempt.job.id, wanted)
    render = partial(_inputs, attempt, documents, workflow, template, lent)
    return await in_thread(render, documents.size)


def wanted_of(workflow: Workflow, template: TaskTemplate) -> Wanted:
    """What a task's templates look at, and whatever may be secret: lines may have it from results.
    Databases do not agree on what small letters are but those of ASCII."""
    looked_at = [template.when, template.with_]
    hints = frozenset([*HINTS, *(name.lower() for name in workflow.secrets)])
    names = names_used(looked_at) if all(map(str.isascii, hints)) else None
    return Wanted(names, hints, template.results_seen)


def _inputs(
    attempt: Attempt,
    documents: Documents,
    workflow: Workflow,
    template: TaskTemplate,
    lent: Mapping[str, str],
) -> Inputs:
    parameters, results = json.loads(documents.parameters), json.loads(documents.results or "{}")
    secrets = frozenset(secret_values(parameters, workflow.secrets))
    seen = workflow.tasks_seen(template.results_seen)
    names = scope(parameters, results, job_scope(attempt.job), attempt.client_scope, seen)
    try:
        if not template.wanted(names):
            return Inputs(secrets, condition=False)
    except Exception as error:  # an expression can raise what it likes
        return Inputs(secrets, condition=error)
    try:
        return Inputs(secrets, arguments=evaluate(template.with_, {**names, "secrets": dict(lent)}))
    except Exception as error:
        return Inputs(secrets, arguments=error)
