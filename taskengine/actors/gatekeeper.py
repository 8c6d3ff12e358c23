"""Gatekeeper: asks the gates of scheduled jobs, and queues those whose gate is open (A15).

`GET`, 10 s, redirects not followed: 2xx and 3xx are open, all else is closed. A closed gate is
asked again after `schedule_interval`, backing off to ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import httpx
import trio

from taskengine.messages import Wake
from taskengine.policy import SYSTEM, settings_of
from taskengine.runtime.clock import Now, next_look
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Gate, GateAnswer, Store
from taskengine.store.ending import host_of

LOOK = 15.0  # seconds between looks without a hint, jittered
BATCH = 64  # gates asked at once
PER_HOST = 2
TIMEOUT = 10.0  # seconds
LEASE = timedelta(seconds=60)  # for which nobody else asks a gate
LONGEST = 600.0  # seconds between two questions


@dataclass(slots=True)
class Gatekeeper:
    store: Store
    now: Now
    http: httpx.AsyncClient
    opened: Callable[[], None]  # there are newly queued jobs
    look: float = LOOK

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                await mailbox.collect(await self._ask_all())

    async def _ask_all(self) -> float:
        """Ask what is due; how long to wait, in seconds, until the next look."""
        gates, next_due = await self.store.claim_gates(BATCH, self.now(), LEASE)
        if gates:
            await self._settle(gates)
            return 0.0
        return next_look(self.look, next_due, self.now())

    async def _settle(self, gates: Sequence[Gate]) -> None:
        interval = settings_of(await self.store.settings(SYSTEM)).schedule_interval
        answers: list[GateAnswer] = []
        limits = {host_of(gate.url): trio.CapacityLimiter(PER_HOST) for gate in gates}
        async with trio.open_nursery() as nursery:
            for gate in gates:
                nursery.start_soon(self._ask, gate, limits[host_of(gate.url)], interval, answers)
        if await self.store.answer_gates(answers):
            self.opened()

    async def _ask(
        self, gate: Gate, limit: trio.CapacityLimiter, interval: float, answers: list[GateAnswer]
    ) -> None:
        async with limit:
            is_open, answer = await self._answer(gate.url)
        pause = min(interval * 2 ** min(gate.failures, 10), max(LONGEST, interval))
        due_at = None if is_open else self.now() + timedelta(seconds=pause)
        answers.append(GateAnswer(gate, answer, self.now(), due_at))

    async def _answer(self, url: str) -> tuple[bool, str]:
        try:
            with trio.fail_after(TIMEOUT):
                async with self.http.stream("GET", url) as response:
                    return 200 <= response.status_code < 400, f"HTTP {response.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL, trio.TooSlowError) as error:
            return False, type(error).__name__
