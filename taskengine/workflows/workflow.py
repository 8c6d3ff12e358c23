"""Workflows as data: what a job keeps of its definition, and what is rendered from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from taskengine.model import Definition, Json, JsonObject, NotFound, PlannedTask
from taskengine.workflows.schemas import secret_names
from taskengine.workflows.templates import TemplateError, evaluate, results_used

MAX_TASKS = 10_000  # of a workflow: they are written, or cancelled, in one transaction


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a task is tried again and when; None is what the settings say."""

    limit: int | None = None
    delay: float | None = None  # seconds
    backoff: float = 1.0  # the delay's factor from one try to the next


@dataclass(frozen=True)
class TaskTemplate:
    """A task as its file has it. `needs` None: the task before it."""

    name: str
    action: str
    queue: str = "work"
    needs: tuple[str, ...] | None = None
    with_: JsonObject = field(default_factory=dict)
    when: Json = True
    retry: Retry = Retry()
    timeout: float | None = None  # seconds
    callback: tuple[str, ...] = ()  # keys of what its action returns that its callback has

    @classmethod
    def from_content(cls, content: JsonObject) -> TaskTemplate:
        needs = content.get("needs")
        return cls(
            name=content["name"],
            action=content["action"],
            queue=content.get("queue", "work"),
            needs=None if needs is None else tuple(needs),
            with_=content.get("with", {}),
            when=content.get("when", True),
            retry=Retry(**content.get("retry", {})),
            timeout=content.get("timeout"),
            callback=tuple(content.get("callback", ())),
        )

    @property
    def content(self) -> JsonObject:
        """Every key, so that equal tasks have equal content; but `needs` and `callback` only where
        they are given."""
        retry = {
            "limit": self.retry.limit,
            "delay": self.retry.delay,
            "backoff": self.retry.backoff,
        }
        return {
            "name": self.name,
            "action": self.action,
            "queue": self.queue,
            **({} if self.needs is None else {"needs": list(self.needs)}),
            "with": self.with_,
            "when": self.when,
            "retry": retry,
            "timeout": self.timeout,
            **({"callback": list(self.callback)} if self.callback else {}),
        }

    @cached_property
    def results_seen(self) -> frozenset[str] | None:
        """The tasks whose results its templates look up; None where only the run can tell."""
        return results_used([self.when, self.with_])

    def wanted(self, scope: Mapping[str, Json]) -> bool:
        """Whether `when` lets it run: what is empty, zero, false or null does not."""
        return bool(evaluate(self.when, scope))


@dataclass(frozen=True)
class Workflow:
    """A resolved workflow. `client` is whose definition it is; None: everybody's."""

    name: str
    tasks: tuple[TaskTemplate, ...]
    summary: str = ""
    parameters: JsonObject = field(default_factory=lambda: {"type": "object"})
    callback: JsonObject = field(default_factory=dict)
    clips: JsonObject | None = None
    client: str | None = None

    @classmethod
    def from_content(cls, content: JsonObject) -> Workflow:
        """From a checked file, or from what a job keeps."""
        return cls(
            name=content["workflow"],
            tasks=tuple(map(TaskTemplate.from_content, content["tasks"])),
            summary=content.get("summary", ""),
            parameters=content.get("parameters", {"type": "object"}),
            callback=content.get("callback", {}),
            clips=content.get("clips"),
            client=content.get("client"),
        )

    @property
    def content(self) -> JsonObject:
        """All of it as JSON; from_content() makes the same workflow of it again."""
        return {
            "workflow": self.name,
            "client": self.client,
            "summary": self.summary,
            "parameters": self.parameters,
            "tasks": [task.content for task in self.tasks],
            "callback": self.callback,
            "clips": self.clips,
        }

    @property
    def overview(self) -> JsonObject:
        """What lists of workflows show."""
        return {
            "name": self.name,
            "client": self.client,
            "summary": self.summary,
            "tasks": list(self.names),
            "required": self.parameters.get("required", []),
        }

    @cached_property
    def definition(self) -> Definition:
        content = self.content
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return Definition(digest, self.name, content, self.plan)

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The names of the parameters that nobody may read."""
        return secret_names(self.parameters)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the tasks, in order."""
        return tuple(task.name for task in self.tasks)

    @cached_property
    def _by_name(self) -> Mapping[str, TaskTemplate]:
        return {task.name: task for task in self.tasks}

    def task(self, name: str) -> TaskTemplate:
        """Raises NotFound."""
        if name not in self._by_name:
            raise NotFound(f"workflow {self.name} has no task {name}")
        return self._by_name[name]

    def tasks_seen(self, used: frozenset[str] | None) -> Collection[str]:
        """Those of the tasks whose results are used, None being any: an attempt of one of thousands
        of tasks must not be charged for all of them."""
        return self.names if used is None else used & self._by_name.keys()

    def needs(self, index: int) -> tuple[str, ...]:
        """The names of the tasks directly before a task."""
        before = self.names[max(0, index - 1) : index]
        given = self.tasks[index].needs
        return before if given is None else given

    @cached_property
    def plan(self) -> tuple[PlannedTask, ...]:
        place = {name: index for index, name in enumerate(self.names)}
        return tuple(
            PlannedTask(
                task.name,
                task.action,
                task.queue,
                tuple(place[need] for need in dict.fromkeys(self.needs(i))),
            )
            for i, task in enumerate(self.tasks)
        )


def callback_extras(
    callback: JsonObject, scope: Mapping[str, Json]
) -> tuple[JsonObject, list[str]]:
    """What the job callback has besides, and what of it could not be rendered: a job that ends
    early has to report all the same, so such a key is left out."""
    extras: JsonObject = {}
    problems = []
    for key, template in callback.items():
        try:
            extras[key] = evaluate(template, scope)
        except TemplateError as error:
            problems.append(f"callback.{key}: {error}")
    return extras, problems
