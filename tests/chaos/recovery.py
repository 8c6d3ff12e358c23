"""How long it took until work went on, after a kill and after a return of PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from taskengine.model import JobState
from tests.chaos.audit import query
from tests.chaos.faults import INSIDE, KILL, Fault
from tests.chaos.servers import Outage

# What a process had when it was killed, not ended by it nor taken from it before, and when somebody
# went on with it; a job that clients had paused meanwhile goes on when they say so.
HELD = f"""
select c.task_id, min(n.at) as again
from audit.claims c
left join audit.claims n on n.task_id = c.task_id and n.attempt = c.attempt + 1
where c.process = $1 and c.at < $2
  and not exists (select 1 from audit.ends e where e.task_id = c.task_id
                  and e.attempt = c.attempt and (e.process = $1 or e.at < $2))
  and not exists (select 1 from audit.moves m where m.job_id = c.job_id
                  and m.before = {int(JobState.PAUSED)} and m.at > $2 and m.at <= n.at)
group by c.task_id, c.attempt
"""
# Of the engine, not of clients: a task was claimed or ended, a job moved on.
NEXT = """
select least((select min(at) from audit.claims where at > $1),
             (select min(at) from audit.ends where at > $1),
             (select min(at) from audit.moves where at > $1 and before is not null)) as at
"""
Absences = Sequence[tuple[float, float]]  # from when to when, Unix time
ADMITTED = "select min(at) as at from audit.admissions where at > $1"


@dataclass(frozen=True, slots=True)
class Recoveries:
    """Seconds, of faults by their places in the list."""

    tasks: dict[int, list[float]]  # after kills: until the tasks of the killed worked again
    steps: dict[int, float]  # after other faults: until the next step of work, or admission
    outages: list[float]  # until the first step after each return of the database

    def after(self, places: Iterable[int]) -> list[float]:
        """Those of tasks, after the kills at these places."""
        return [one for place in places for one in self.tasks.get(place, ())]


async def recoveries(
    url: str, faults: Sequence[Fault], outages: Sequence[Outage], absences: Sequence[Absences] = ()
) -> Recoveries:
    """`absences` are those of each instance: who is away rescues nobody."""
    tasks: dict[int, list[float]] = {}
    steps: dict[int, float] = {}
    settled = [one.until for one in outages if one.until is not None]
    for place, fault in enumerate(faults):
        if fault.how == KILL:
            tasks[place] = [
                again - _start(_watched(fault.since, again, absences), again, settled)
                for process in fault.processes
                for again in await _again(url, process, fault)
            ]
            continue
        since, step = (fault.since, ADMITTED) if fault.name == INSIDE else (fault.until, NEXT)
        if (at := await _next(url, since, step)) is not None and since is not None:
            steps[place] = at - _start(since, at, settled)
    return Recoveries(tasks, steps, await _first_steps(url, outages, settled))


async def _first_steps(
    url: str, outages: Sequence[Outage], settled: Sequence[float]
) -> list[float]:
    """After outages that follow upon each other without a step in between: from the last one."""
    steps = {}
    for one in outages:
        if (at := await _next(url, one.until, NEXT)) is not None and one.until is not None:
            back = _start(one.until, at, settled)
            steps[back] = at - back
    return list(steps.values())


async def _again(url: str, process: str, fault: Fault) -> list[float]:
    """When its tasks were claimed anew; those of jobs that were stopped meanwhile never are."""
    killed = datetime.fromtimestamp(fault.until or fault.since, UTC)
    rows = await query(url, HELD, process, killed)
    return [row["again"].timestamp() for row in rows if row["again"] is not None]


def _watched(since: float, again: float, absences: Sequence[Absences]) -> float:
    """From when on somebody was there, at the latest who did it again."""
    back = [
        max([since, *(end for begin, end in own if begin < again and end > since)])
        for own in absences
    ]
    return min([*back, again]) if back else since


def _start(since: float, again: float, settled: Sequence[float]) -> float:
    """From when time counts: nobody can be told of a death while PostgreSQL is away."""
    return max([since, *(at for at in settled if since < at < again)])


async def _next(url: str, since: float | None, step: str) -> float | None:
    """When something was done then; None if nothing was left to do."""
    if since is None:
        return None
    [row] = await query(url, step, datetime.fromtimestamp(since, UTC))
    return row["at"].timestamp() if row["at"] is not None else None


def middle(times: Sequence[float]) -> float:
    return round(median(times), 2) if times else 0.0


def almost_all(times: Sequence[float]) -> float:
    """The time within which 99 of 100 were done."""
    return round(sorted(times)[math.ceil(0.99 * len(times)) - 1], 2) if times else 0.0


def longest(times: Sequence[float]) -> float:
    return round(max(times), 2) if times else 0.0
