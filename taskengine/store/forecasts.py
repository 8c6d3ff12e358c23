"""What the store is asked of starts that are foretold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from taskengine.jobs.forecast import ForecastHits, QueueView
from taskengine.model import Job

FIRST = 300  # queued jobs of a view that are read in their order
SAMPLED = 300  # jobs that stand for those behind them, at most
LISTED = 10_000  # jobs in a queue of which each so many-th is read; of a longer one
PLACES = 1_000  # ids are looked at, evenly, and it is too thin to be known where it has
THIN = 50  # jobs at fewer of them
RUNNING = 300  # jobs of a view that hold slots
ENDED = 300  # jobs that ended last, of which it is read how long they ran
OF_WORKFLOW = 50  # jobs that are looked at of a workflow of which none is among those
WORKFLOWS = 50  # of which that is done
COMING = 200  # scheduled jobs of a view
CAME = 300  # jobs of a view that came in the last hour
OPEN = 500  # forecasts that may wait to be judged; while there are more, none are made
JUDGED = 1_000  # forecasts by which it is told how often they come true


class StoreForecasts(Protocol):
    """The part of taskengine.store.Store for forecasts (jobs/forecast.py)."""

    async def queue_view(self, now: datetime) -> QueueView:
        """The queue as it is. However long it is, no more of it is read than the numbers above."""
        ...

    async def jobs_not_foretold(self, limit: int) -> Sequence[Job]:
        """Among the newest `limit` queued jobs those without a forecast, by id; none while OPEN
        forecasts wait to be judged."""
        ...

    async def put_forecasts(self, starts: Mapping[int, datetime], now: datetime) -> None:
        """Keep when jobs are foretold to start, by id; the first forecast of a job is kept."""
        ...

    async def judge_forecasts(self) -> int:
        """Judge the forecasts whose jobs have started, and forget those whose jobs were held up,
        stopped or removed before; how many. Some may be left for the next time."""
        ...

    async def forecast_hits(self) -> ForecastHits:
        """How many of the JUDGED newest forecasts came true."""
        ...
