"""Forecaster: foretells when some of the queued jobs start, and judges what was foretold.

So that the installation knows how often its forecasts come true, whoever asks for them. It looks at
a few of the newest jobs now and then: neither a submission nor a start costs more for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import trio

from taskengine.actors.wiring import Wiring
from taskengine.jobs.forecast import foretold
from taskengine.runtime.clock import Now
from taskengine.store import Store

INTERVAL = 10.0  # seconds between two looks
FORETOLD = 5  # jobs at a look, of all that came since the last one


@dataclass(slots=True)
class Forecaster:
    store: Store  # a patient one
    now: Now

    @classmethod
    def of(cls, wiring: Wiring) -> Forecaster:
        return cls(wiring.resources.patient, wiring.resources.now)

    async def run(self) -> None:
        while True:
            await trio.sleep(INTERVAL)
            await self.store.judge_forecasts()
            await self._foretell()

    async def _foretell(self) -> None:
        jobs = await self.store.jobs_not_foretold(FORETOLD)
        if not jobs:
            return
        now = self.now()
        view = await self.store.queue_view(now)
        starts = {}
        for job in jobs:
            if forecast := foretold(view, job):
                starts[job.id] = forecast.start_at
            await trio.lowlevel.checkpoint()  # each takes some milliseconds of the loop
        await self.store.put_forecasts(starts, now)
