"""Workers: run the actions of tasks, and record how they ended, whatever ended them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import trio

from taskengine.actions import Actions, Context
from taskengine.actions.environment import ActionEnvironment
from taskengine.actors.containment import contained
from taskengine.actors.definitions import Definitions
from taskengine.actors.failures import AttemptFailed, describe
from taskengine.actors.inputs import Inputs, read_inputs
from taskengine.actors.instance_state import InstanceState, Stopped
from taskengine.actors.progress import Progress
from taskengine.actors.reporter import Reporter
from taskengine.actors.results import told
from taskengine.actors.wiring import Wiring
from taskengine.messages import Finish, Mail
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
from taskengine.policy import MAX_RESCUES, SYSTEM, Settings, in_force, retry_at
from taskengine.runtime.clock import Now
from taskengine.runtime.limit import TimeLimit
from taskengine.runtime.mailbox import ActorGone, Address, Mailbox
from taskengine.storage import Folder
from taskengine.storage.roots import is_foreign
from taskengine.store import Store
from taskengine.store.ending import (
    BUG_MET,
    ENGINE_FELL,
    ENGINE_STOPPED,
    LOST,
    definitions_line,
)
from taskengine.texts import clean_text
from taskengine.workflows.workflow import TaskTemplate, Workflow

logger = logging.getLogger(__name__)

RECORD_GRACE = 5.0  # seconds to record an end, even while being cancelled
OTHERS_FIRST = 15.0  # seconds that a task on its last chance waits for another one
SETTLING = 1.0  # seconds in which those that have to wait are handed back
UNWRITTEN = 16  # ends of a worker that may wait to be written while it goes on
TELLINGS = 5  # of an end, to a recorder that crashes each time
FRESH = 1.0  # seconds that an answer of the fence may take; less than a lease
QUESTIONS = 5  # until an answer is fresh


@dataclass(slots=True)
class Worker:
    """Takes one attempt after the other from its queue's handoff.

    It does not wait until an end is written: under load the recorder then writes many at once, and
    workers and database work side by side. Until then the attempt stays listed as running.
    """

    store: Store
    state: InstanceState
    recorder: Address[Mail]
    progress: Progress
    definitions: Definitions
    actions: Actions
    environment: ActionEnvironment
    now: Now
    ready: Callable[[], None]  # tells the claimer of an idle worker
    busy: bool = field(default=False, init=False)

    @classmethod
    def of(cls, wiring: Wiring, queue: str) -> Worker:
        resources = wiring.resources
        return cls(
            store=resources.patient,
            state=wiring.state,
            recorder=wiring.mailboxes.recorder.address,
            progress=wiring.progress,
            definitions=wiring.definitions,
            actions=resources.actions,
            environment=resources.environment,
            now=resources.now,
            ready=wiring.hint(f"claimer-{queue}"),
        )

    async def run(self, handoff: Mailbox[Attempt]) -> None:
        unwritten = trio.Semaphore(UNWRITTEN)
        async with trio.open_nursery() as ends:
            with suppress(trio.EndOfChannel):
                while True:
                    await unwritten.acquire()
                    self.ready()
                    for envelope in await handoff.collect(math.inf, limit=1):
                        with envelope as attempt:
                            await ends.start(self.perform, attempt, unwritten.release)

    async def perform(
        self,
        attempt: Attempt,
        written: Callable[[], None],
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run an attempt and record its end exactly once, also while being cancelled. Who starts
        it goes on as soon as the action is over."""
        end: Ended | None = None
        self.busy = True
        with self.state.entry(attempt.fence, attempt.lanes, attempt.size) as running:
            try:
                with running.scope:
                    end = await self._run(attempt)
            finally:
                self.busy = False
                running.over_since = trio.current_time()
                task_status.started()
                self.progress.forget(attempt.fence)
                if running.stopped is not Stopped.STALE:
                    end = end or self._cut_short(attempt.fence)
                    if running.stopped is Stopped.UNWANTED:
                        error = "the job was stopped"
                        end = replace(end, outcome=Outcome.CANCELLED, error=error, fate="")
                    await self._record(Finish(replace(end, at=self.now())))
                written()

    def _cut_short(self, fence: Fence) -> Ended:
        """The end of an attempt that did not end by itself. At the end of a drain it is handed
        back; an engine that falls does so because of one of its attempts, perhaps this one."""
        if self.state.drain.cancel_called:
            return Ended(fence, self.now(), Outcome.RELEASED, fate=ENGINE_STOPPED)
        return Ended(fence, self.now(), Outcome.LOST, fate=ENGINE_FELL)

    async def _record(self, finish: Finish) -> None:
        """Wait for as long as the database is away: a finished task must not run again. When the
        engine stops, tell it once more and wait for RECORD_GRACE; told twice, it counts once."""
        try:
            await self._tell(finish)
        except trio.Cancelled:
            with trio.move_on_after(RECORD_GRACE, shield=True):
                await self._tell(finish)
            raise

    async def _tell(self, finish: Finish) -> None:
        """Again, if the recorder crashed with it. Raises ActorGone if that goes on."""
        for _ in range(TELLINGS):
            with suppress(ActorGone):
                await self.recorder.ask(finish)
                return
        raise ActorGone

    async def _run(self, attempt: Attempt) -> Ended:
        """An attempt with whatever happens in it, but for its cancellation."""
        try:
            return await self._perform(attempt)
        except Exception as bug:  # ours: a task that meets it each time must not go on for ever
            told = clean_text(describe(bug))
            logger.error("task %d met an error of the engine: %s", attempt.task.id, told)
            return Ended(attempt.fence, self.now(), Outcome.LOST, error=told, fate=BUG_MET)

    async def _perform(self, attempt: Attempt) -> Ended:
        try:
            workflow = await self.definitions.of(attempt.job)
            template = workflow.task(attempt.task.name)
            lent = self.environment.secrets
            inputs = await read_inputs(self.store, attempt, workflow, template, lent)
        except BadInput as error:
            message = clean_text(describe(error))
            return Ended(attempt.fence, self.now(), Outcome.FAILED, error=message)
        except Exception as error:  # of a definition that another version may have written
            logger.exception("the definition of job %d cannot be used", attempt.job.id)
            message = clean_text(f"the job's definition cannot be used: {describe(error)}")
            return Ended(attempt.fence, self.now(), Outcome.FAILED, error=message)
        hidden = inputs.secrets | {*lent.values()}
        limit = TimeLimit(math.inf if template.timeout is None else template.timeout)
        reporter = Reporter(attempt.fence, self.recorder, self.now, hidden, self.progress, limit)
        attempt = replace(attempt, documents=None)  # they may be large, and the task long
        try:
            if attempt.task.rescues >= MAX_RESCUES:
                return await self._last_chance(attempt, workflow, inputs, reporter)
            return await self._act(attempt, workflow, inputs, reporter)
        except Exception as error:  # told with no trace: an error can fail while it is told
            return await self._failed(attempt, template, reporter, AttemptFailed.of(error))
        finally:
            reporter.close()

    async def _last_chance(
        self, attempt: Attempt, workflow: Workflow, inputs: Inputs, reporter: Reporter
    ) -> Ended:
        """A task that was lost so often fails at the next time. It may have been lost with another,
        which ends its hosts: so no two of them run side by side, and who has to wait is held by
        nobody."""
        with self.state.probation(attempt.fence) as is_alone:
            if not is_alone:
                later = self.now() + timedelta(seconds=OTHERS_FIRST)
                return Ended(attempt.fence, self.now(), Outcome.RELEASED, due_at=later)
            told = f"lost {attempt.task.rescues} times: it runs with no other such task beside it"
            await reporter.tell(Severity.WARN, told)
            await trio.sleep(SETTLING)
            return await self._act(attempt, workflow, inputs, reporter)

    async def _act(
        self, attempt: Attempt, workflow: Workflow, inputs: Inputs, reporter: Reporter
    ) -> Ended:
        name = attempt.task.name
        if not inputs.wanted:
            await reporter.tell(Severity.DEBUG, f"'{name}' skipped: its condition is false")
            return Ended(attempt.fence, self.now(), Outcome.SKIPPED)
        await reporter.tell(Severity.INFO, definitions_line(workflow.client))
        await reporter.tell(Severity.INFO, f"Task '{name}' started")
        await reporter.begin()
        values = inputs.values
        with reporter.limit.running():
            result = await self._call(attempt, values, reporter)
        await reporter.tell(Severity.INFO, f"'{name}' completed successfully")
        return Ended(attempt.fence, self.now(), Outcome.COMPLETED, result)

    async def _call(self, attempt: Attempt, values: JsonObject, reporter: Reporter) -> str | None:
        async with self.environment.context_for(
            attempt,
            write=reporter.write,
            report=reporter.report,
            admit=partial(self._admit, attempt.job.client),
            confirm=partial(self._confirm, attempt.fence, reporter.limit),
        ) as context:
            return await contained(
                lambda: self._result(attempt.task.action, context, values),
                f"task {attempt.task.id}",
            )

    async def _admit(self, client: str, folder: Folder) -> None:
        """Raises BadInput for a folder that belongs to another client."""
        others = [one for one in await self.store.clients() if one.name != client]
        if is_foreign(folder.root, folder.complete, others):
            raise BadInput(f"folder: {folder.path} belongs to another client")

    async def _result(self, action: str, context: Context, values: JsonObject) -> str | None:
        result = await self.actions[action](context, values)
        return await told(result, self.environment.secrets.values())

    async def _confirm(self, fence: Fence, limit: TimeLimit) -> None:
        """Ask whether the attempt may still publish. Only a fresh answer counts: an engine that was
        stopped while it waited would take an old one for new. Raises FenceMoved."""
        for _ in range(QUESTIONS):
            asked = trio.current_time()
            with limit.paused():
                is_current = await self.store.current(self.state.instance, fence)
            if not is_current:
                raise FenceMoved("another attempt of the task may run")
            if trio.current_time() - asked < FRESH:
                return
        raise trio.TooSlowError("the fence answers too late")

    async def _failed(
        self, attempt: Attempt, template: TaskTemplate, reporter: Reporter, failure: AttemptFailed
    ) -> Ended:
        """Try again while the settings let it; an error that is meant to be final is final."""
        task, now = attempt.task, self.now()
        message = reporter.clean(str(failure))
        if failure.outdated:
            return Ended(attempt.fence, now, Outcome.LOST, error=message, fate=LOST + message)
        settings = await self._settings(attempt.job.client)
        limit = settings.retry_limit if template.retry.limit is None else template.retry.limit
        delay = settings.retry_delay if template.retry.delay is None else template.retry.delay
        told = f"'{task.name}' failed: {message}"
        if failure.final or task.failures >= limit:
            await reporter.tell(Severity.ERROR, told)
            return Ended(attempt.fence, now, Outcome.FAILED, error=message)
        again = f"retry {task.failures + 1} of {limit} in {delay:g} s"
        await reporter.tell(Severity.WARN, f"{told}; {again}")
        due_at = retry_at(now, delay, template.retry.backoff, task.failures + 1)
        return Ended(attempt.fence, now, Outcome.RETRY, error=message, due_at=due_at)

    async def _settings(self, client: str) -> Settings:
        system = await self.store.settings(SYSTEM)
        return in_force(system, await self.store.settings(client))
