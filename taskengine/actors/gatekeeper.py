"""Gatekeeper: asks the gates of scheduled jobs, and queues those whose gate is open (A15).

`GET`, 10 s, redirects not followed: 2xx and 3xx are open, all else is closed. A closed gate is
asked again after `schedule_interval`, backing off to ten minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import trio

from taskengine.actors.per_host import Due, PerHostDispatcher
from taskengine.actors.wiring import Wiring
from taskengine.messages import Topic, Wake
from taskengine.policy import SYSTEM, Settings, settings_of
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Gate, GateAnswer, Store

logger = logging.getLogger(__name__)

POLL_INTERVAL = 15.0  # seconds between looks without a hint, jittered
MAX_AT_ONCE = 64  # gates
REQUEST_DEADLINE = 10.0  # seconds
LEASE = timedelta(seconds=60)  # for which nobody else asks a gate
MAX_PAUSE = 600.0  # seconds between two questions


@dataclass(slots=True)
class Gatekeeper:
    store: Store
    now: Now
    http: httpx.AsyncClient
    opened: Callable[[], None]  # there are newly queued jobs
    look: float = POLL_INTERVAL
    _settings: Settings = field(default_factory=Settings, init=False)

    @classmethod
    def of(cls, wiring: Wiring) -> Gatekeeper:
        resources, opened = wiring.resources, wiring.announce(Topic.ADMISSION)
        return cls(resources.patient, resources.now, resources.environment.http, opened)

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        dispatcher = PerHostDispatcher(
            MAX_AT_ONCE, self.look, self.now, self._claim, self._ask, self._record
        )
        await dispatcher.run(mailbox)

    async def _claim(self, limit: int, busy_hosts: Collection[str]) -> Due[Gate]:
        gates, next_due = await self.store.claim_gates(limit, busy_hosts, self.now(), LEASE)
        if gates:
            self._settings = settings_of(await self.store.settings(SYSTEM))
        return gates, next_due

    async def _ask(self, gate: Gate) -> GateAnswer:
        is_open, answer = await self._answer(gate)
        now, interval = self.now(), self._settings.schedule_interval
        pause = min(interval * 2 ** min(gate.failures, 10), max(MAX_PAUSE, interval))
        due_at = None if is_open else now + timedelta(seconds=pause)
        return GateAnswer(gate, answer, now, due_at)

    async def _answer(self, gate: Gate) -> tuple[bool, str]:
        try:
            with trio.fail_after(REQUEST_DEADLINE):
                async with self.http.stream("GET", gate.url) as response:
                    return 200 <= response.status_code < 400, f"HTTP {response.status_code}"
        except trio.TooSlowError:
            return False, f"no answer in {REQUEST_DEADLINE:g} s"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return False, type(error).__name__
        except Exception as bug:  # ours, or a library's: one gate ends no engine
            logger.exception("the gate of job %d cannot be asked", gate.job_id)
            return False, type(bug).__name__

    async def _record(self, answers: Sequence[GateAnswer]) -> None:
        if await self.store.answer_gates(answers):
            self.opened()
