"""An attempt of a task, from its inputs to its end. It knows neither mail nor workers: given an
environment, it yields how it ended."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import trio

from taskengine.actions import Actions, Context
from taskengine.actions.environment import ActionEnvironment
from taskengine.actors.containment import contained
from taskengine.actors.definitions import Definitions
from taskengine.actors.failures import AttemptFailed, describe
from taskengine.actors.inputs import Inputs, read_inputs
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.recent_settings import RecentSettings
from taskengine.actors.results import encode_result, extras_of
from taskengine.model import (
    Attempt,
    BadInput,
    Ended,
    Fence,
    FenceMoved,
    JsonObject,
    Outcome,
    Severity,
)
from taskengine.policy import MAX_RESCUES, retry_at
from taskengine.runtime.clock import Now
from taskengine.runtime.limit import TimeLimit
from taskengine.storage import Folder
from taskengine.store import Store
from taskengine.store.completion import BUG_MET, LOST, definitions_line
from taskengine.texts import clean_text
from taskengine.workflows.workflow import TaskTemplate, Workflow

logger = logging.getLogger(__name__)

PROBATION_DELAY = 15.0  # seconds that a task on its last chance waits for another one
PROBATION_PAUSE = 1.0  # seconds in which those that have to wait are handed back
MAX_ANSWER_AGE = 1.0  # seconds that an answer of the fence may take; less than a lease
MAX_QUESTIONS = 5  # until an answer is fresh


class Report(Protocol):
    """Where an attempt writes its log lines and progress."""

    async def begin(self) -> None: ...
    async def tell(self, severity: Severity, message: str) -> None: ...
    async def write(self, severity: Severity, message: str) -> None: ...
    async def report(self, fraction: float) -> None: ...
    def clean(self, text: str) -> str: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class AttemptEnvironment:
    """What all attempts of an instance need."""

    store: Store  # a patient one
    state: InstanceState
    definitions: Definitions
    settings: RecentSettings
    actions: Actions
    of_actions: ActionEnvironment
    now: Now
    open_report: Callable[[Fence, frozenset[str], TimeLimit], Report]  # with secrets to hide


async def run_attempt(attempt: Attempt, environment: AttemptEnvironment) -> Ended:
    """Run an attempt to its end, whatever its action raises. Raises nothing but its
    cancellation."""
    try:
        return await _prepare_and_run(attempt, environment)
    except Exception as bug:  # ours: a task that meets it each time must not go on for ever
        message = clean_text(describe(bug))
        logger.error("task %d met an error of the engine: %s", attempt.task.id, message)
        return Ended(attempt.fence, environment.now(), Outcome.LOST, error=message, fate=BUG_MET)


async def _prepare_and_run(attempt: Attempt, environment: AttemptEnvironment) -> Ended:
    secrets = environment.of_actions.secrets
    try:
        workflow = await environment.definitions.of(attempt.job)
        template = workflow.task(attempt.task.name)
        inputs = await read_inputs(environment.store, attempt, workflow, template, secrets)
    except BadInput as error:
        message = clean_text(describe(error))
        return Ended(attempt.fence, environment.now(), Outcome.FAILED, error=message)
    except Exception as error:  # of a definition that another version may have written
        logger.exception("the definition of job %d cannot be used", attempt.job.id)
        message = clean_text(f"the job's definition cannot be used: {describe(error)}")
        return Ended(attempt.fence, environment.now(), Outcome.FAILED, error=message)
    limit = TimeLimit(math.inf if template.timeout is None else template.timeout)
    hidden = inputs.secrets | {*secrets.values()} | environment.of_actions.hidden
    report = environment.open_report(attempt.fence, hidden, limit)
    attempt = replace(attempt, documents=None)  # they may be large, and the task long
    try:
        return await _PreparedAttempt(
            attempt, environment, workflow, template, inputs, limit, report
        ).run()
    finally:
        report.close()


@dataclass(frozen=True, slots=True)
class _PreparedAttempt:
    """An attempt whose inputs were read."""

    attempt: Attempt
    environment: AttemptEnvironment
    workflow: Workflow
    template: TaskTemplate
    inputs: Inputs
    limit: TimeLimit
    report: Report

    async def run(self) -> Ended:
        try:
            if self.attempt.task.rescues >= MAX_RESCUES:
                return await self._run_alone()
            return await self._run_action()
        except Exception as error:  # told with no trace: an error can fail while it is told
            return await self._fail(AttemptFailed.of(error))

    def _end(self, outcome: Outcome, result: str | None = None, extras: str = "") -> Ended:
        fence, at = self.attempt.fence, self.environment.now()
        return Ended(fence, at, outcome, result, extras=extras)

    async def _run_alone(self) -> Ended:
        """The last chance of a task that was lost often: it fails if it is lost again. It may have
        been lost with another, which ends its hosts: so no two of them run side by side, and one
        that has to wait is held by nobody."""
        attempt = self.attempt
        with self.environment.state.probation(attempt.fence) as is_alone:
            if not is_alone:
                later = self.environment.now() + timedelta(seconds=PROBATION_DELAY)
                return replace(self._end(Outcome.RELEASED), due_at=later)
            message = (
                f"lost {attempt.task.rescues} times: it runs with no other such task beside it"
            )
            await self.report.tell(Severity.WARN, message)
            await trio.sleep(PROBATION_PAUSE)
            return await self._run_action()

    async def _run_action(self) -> Ended:
        name, report = self.attempt.task.name, self.report
        if not self.inputs.wanted:
            await report.tell(Severity.DEBUG, f"'{name}' skipped: its condition is false")
            return self._end(Outcome.SKIPPED)
        await report.tell(Severity.INFO, definitions_line(self.workflow.client))
        await report.tell(Severity.INFO, f"Task '{name}' started")
        await report.begin()
        values = self.inputs.values
        with self.limit.running():
            result = await self._call_action(values)
        await report.tell(Severity.INFO, f"'{name}' completed successfully")
        extras = await extras_of(result, self.template.callback)
        return self._end(Outcome.COMPLETED, result, extras)

    async def _call_action(self, values: JsonObject) -> str | None:
        attempt, environment = self.attempt, self.environment.of_actions
        async with environment.scratch_for(attempt) as open_scratch:
            context = environment.context_for(
                attempt,
                open_scratch,
                write=self.report.write,
                report=self.report.report,
                admit=self._admit,
                confirm=self._confirm,
            )
            return await contained(
                lambda: self._result_of(context, values), f"task {attempt.task.id}"
            )

    async def _result_of(self, context: Context, values: JsonObject) -> str | None:
        action = self.environment.actions[self.attempt.task.action]
        result = await action(context, values)
        return await encode_result(result, self.environment.of_actions.secrets.values())

    async def _admit(self, folder: Folder) -> None:
        """Raises BadInput for a folder that belongs to another client."""
        own = self.attempt.job.client
        others = [one for one in await self.environment.store.clients() if one.name != own]
        if self.environment.of_actions.is_of_others(folder, others):
            raise BadInput(f"folder: {folder.path} belongs to another client")

    async def _confirm(self) -> None:
        """Ask whether the attempt may still publish. Only a fresh answer counts: an engine that was
        stopped while it waited would take an old one for new. Raises FenceMoved."""
        environment = self.environment
        for _ in range(MAX_QUESTIONS):
            asked = trio.current_time()
            with self.limit.paused():
                instance = environment.state.instance
                is_current = await environment.store.current(instance, self.attempt.fence)
            if not is_current:
                raise FenceMoved("another attempt of the task may run")
            if trio.current_time() - asked < MAX_ANSWER_AGE:
                return
        raise trio.TooSlowError("the fence answers too late")

    async def _fail(self, failure: AttemptFailed) -> Ended:
        """Try again while the settings allow it; an error that is meant to be final is final."""
        task, retry = self.attempt.task, self.template.retry
        error = self.report.clean(str(failure))
        if failure.outdated:
            return replace(self._end(Outcome.LOST), error=error, fate=LOST + error)
        settings = await self.environment.settings.of(self.attempt.job.client)
        limit = settings.retry_limit if retry.limit is None else retry.limit
        delay = settings.retry_delay if retry.delay is None else retry.delay
        message = f"'{task.name}' failed: {error}"
        if failure.final or task.failures >= limit:
            await self.report.tell(Severity.ERROR, message)
            return replace(self._end(Outcome.FAILED), error=error)
        number = task.failures + 1
        message = f"{message}; retry {number} of {limit} in {delay:g} s"
        await self.report.tell(Severity.WARN, message)
        end = replace(self._end(Outcome.RETRY), error=error)
        return replace(end, due_at=retry_at(end.at, delay, retry.backoff, number))
