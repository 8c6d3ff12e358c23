"""Workers: take attempts, run them, and record their ends, whatever ended them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import trio

from taskengine.actors.attempt import AttemptEnvironment, run_attempt
from taskengine.actors.desk import Desk
from taskengine.actors.instance_state import InstanceState, Running, Stopped
from taskengine.actors.progress import Progress
from taskengine.actors.reporter import Reporter
from taskengine.actors.wiring import Wiring
from taskengine.messages import Finish, Mail
from taskengine.meters import Meters
from taskengine.model import Attempt, Ended, Fence, Outcome
from taskengine.runtime.clock import Now
from taskengine.runtime.limit import TimeLimit
from taskengine.runtime.mailbox import Address
from taskengine.store.completion import ENGINE_FELL, ENGINE_STOPPED
from taskengine.traces import Traces

RECORD_GRACE = 5.0  # seconds to record an end, even while being cancelled
MAX_UNWRITTEN = 16  # ends of a worker that may wait to be written while it goes on
MAX_TELLINGS = 5  # of an end, to a recorder that crashes each time


@dataclass(slots=True)
class Worker:
    """Takes one attempt after the other from the desk of its queue.

    It does not wait until an end is written: under load the recorder then writes many at once, and
    workers and database work side by side. Until then the attempt stays listed as running.
    """

    state: InstanceState
    recorder: Address[Mail]
    progress: Progress
    environment: AttemptEnvironment
    now: Now
    desk: Desk
    ready: Callable[[], None]  # tells the claimer that the desk has room
    meters: Meters = field(default_factory=Meters)
    traces: Traces = field(default_factory=Traces)
    busy: bool = field(default=False, init=False)
    _unwritten: int = field(default=0, init=False)  # ends that were told to the recorder
    _written: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot, init=False)

    @classmethod
    def of(cls, wiring: Wiring, queue: str) -> Worker:
        resources, recorder = wiring.resources, wiring.mailboxes.recorder.address

        def open_report(fence: Fence, secrets: frozenset[str], limit: TimeLimit) -> Reporter:
            return Reporter(fence, recorder, resources.now, secrets, wiring.progress, limit)

        environment = AttemptEnvironment(
            store=resources.patient,
            state=wiring.state,
            definitions=wiring.definitions,
            settings=wiring.settings,
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
            desk=wiring.desks[queue],
            ready=wiring.hint(f"claimer-{queue}"),
            meters=resources.meters,
            traces=resources.traces,
        )

    async def run(self) -> None:
        try:
            with suppress(trio.EndOfChannel):
                while True:
                    await self._wait_for_room(MAX_UNWRITTEN)
                    if self.desk.is_low and self.desk.may_have_more:
                        self.ready()
                    await self.perform(await self.desk.take())
            await self._wait_for_room(1)
        except trio.Cancelled:
            with trio.move_on_after(RECORD_GRACE, shield=True):
                await self._wait_for_room(1)
            raise

    async def _wait_for_room(self, room: int) -> None:
        """Until fewer ends than that are unwritten. It waits for as long as the database is away: a
        finished task must not run again."""
        while self._unwritten >= room:
            await self._written.park()

    async def perform(self, attempt: Attempt) -> None:
        """Run an attempt and tell its end exactly once, also while being cancelled."""
        end: Ended | None = None
        running, started = self.state.running[attempt.fence], trio.current_time()
        self.busy = True
        try:
            if running.stopped is None:
                with running.scope:
                    end = await run_attempt(attempt, self.environment)
        finally:
            self.busy = False
            running.over_since = trio.current_time()
            seconds = running.over_since - started
            self.desk.ended(attempt.task.action, seconds)
            self.progress.forget(attempt.fence)
            self._end(attempt, running, end, seconds)

    def _end(self, attempt: Attempt, running: Running, end: Ended | None, seconds: float) -> None:
        """Tell the end of an attempt, unless another one runs."""
        fence = attempt.fence
        if running.stopped is Stopped.STALE:
            self.state.forget(fence)
            return
        end = end or self._cut_short(fence)
        if running.stopped is Stopped.UNWANTED:
            end = replace(end, outcome=Outcome.CANCELLED, error="the job was stopped", fate="")
        self.meters.task_ended(attempt.task.action, end.outcome, seconds)
        end = replace(end, at=self.now())
        self.traces.attempt_ended(attempt, end, seconds)
        self._unwritten += 1
        self._tell(end, MAX_TELLINGS)

    def _cut_short(self, fence: Fence) -> Ended:
        """The end of an attempt that did not end by itself. At the end of a drain it is handed
        back; an engine that falls does so because of one of its attempts, perhaps this one."""
        if self.state.drain.cancel_called:
            return Ended(fence, self.now(), Outcome.RELEASED, fate=ENGINE_STOPPED)
        return Ended(fence, self.now(), Outcome.LOST, fate=ENGINE_FELL)

    def _tell(self, end: Ended, tellings: int) -> None:
        """Tell the recorder, and again if it crashes with it: told twice, it counts once."""
        self.recorder.hint(Finish(end, partial(self._settle, end, tellings - 1)))

    def _settle(self, end: Ended, tellings: int, is_written: bool) -> None:
        if not is_written and tellings:
            self._tell(end, tellings)
            return
        self._unwritten -= 1
        self.state.forget(end.fence)
        self._written.unpark_all()
