"""Workers: take attempts, run them, and record their ends, whatever ended them."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import trio

from taskengine.actors.attempt import AttemptEnvironment, run_attempt
from taskengine.actors.instance_state import InstanceState, Stopped
from taskengine.actors.progress import Progress
from taskengine.actors.reporter import Reporter
from taskengine.actors.wiring import Wiring
from taskengine.messages import Finish, Mail
from taskengine.meters import Meters
from taskengine.model import Attempt, Ended, Fence, Outcome
from taskengine.runtime.clock import Now
from taskengine.runtime.limit import TimeLimit
from taskengine.runtime.mailbox import ActorGone, Address, Mailbox
from taskengine.store.completion import ENGINE_FELL, ENGINE_STOPPED

RECORD_GRACE = 5.0  # seconds to record an end, even while being cancelled
MAX_UNWRITTEN = 16  # ends of a worker that may wait to be written while it goes on
MAX_TELLINGS = 5  # of an end, to a recorder that crashes each time


@dataclass(slots=True)
class Worker:
    """Takes one attempt after the other from its queue's handoff.

    It does not wait until an end is written: under load the recorder then writes many at once, and
    workers and database work side by side. Until then the attempt stays listed as running.
    """

    state: InstanceState
    recorder: Address[Mail]
    progress: Progress
    environment: AttemptEnvironment
    now: Now
    ready: Callable[[], None]  # tells the claimer of an idle worker
    meters: Meters = field(default_factory=Meters)
    busy: bool = field(default=False, init=False)

    @classmethod
    def of(cls, wiring: Wiring, queue: str) -> Worker:
        resources, recorder = wiring.resources, wiring.mailboxes.recorder.address

        def open_report(fence: Fence, secrets: frozenset[str], limit: TimeLimit) -> Reporter:
            return Reporter(fence, recorder, resources.now, secrets, wiring.progress, limit)

        environment = AttemptEnvironment(
            store=resources.patient,
            state=wiring.state,
            definitions=wiring.definitions,
            actions=resources.actions,
            of_actions=resources.environment,
            now=resources.now,
            open_report=open_report,
        )
        return cls(
            state=wiring.state,
            recorder=recorder,
            progress=wiring.progress,
            environment=environment,
            now=resources.now,
            ready=wiring.hint(f"claimer-{queue}"),
            meters=resources.meters,
        )

    async def run(self, handoff: Mailbox[Attempt]) -> None:
        unwritten = trio.Semaphore(MAX_UNWRITTEN)
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
        self.busy, began = True, trio.current_time()
        with self.state.entry(attempt.fence, attempt.lanes, attempt.size) as running:
            try:
                with running.scope:
                    end = await run_attempt(attempt, self.environment)
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
                    seconds = running.over_since - began
                    self.meters.task_ended(attempt.task.action, end.outcome, seconds)
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
        for _ in range(MAX_TELLINGS):
            with suppress(ActorGone):
                await self.recorder.ask(finish)
                return
        raise ActorGone
