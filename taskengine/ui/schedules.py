"""Recurring work: what, when next, on and off, run now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from quart import Response

from taskengine.api.resources.schedules import Schedules, found
from taskengine.jobs.submission import Received
from taskengine.jobs.submitting import submit_one
from taskengine.masking import masked
from taskengine.model import BadInput, Json, JsonObject, NotFound
from taskengine.policy import SYSTEM, settings_of
from taskengine.schedules import SAFETY, SUBMIT_JOB, Schedule, with_interval
from taskengine.ui.formats import short_duration
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit

SHOWN = 100  # on a page
LARGEST = 16 << 10  # bytes of a job that is shown


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """A schedule as the page shows it."""

    called: str  # its name, with its client where several have one
    schedule: Schedule
    when: str
    workflow: str
    may_switch: bool
    body: Json

    @property
    def own(self) -> bool:
        """Whether it submits a job of a client."""
        return self.schedule.kind == SUBMIT_JOB

    @property
    def next_at(self) -> datetime | None:
        return self.schedule.next_at if self.schedule.active else None


async def schedules(visit: Visit) -> Response:
    store, before = visit.services.store, visit.query.number("after") or 0
    seen = await Schedules(visit.services).seen_by(visit.client)
    shown = list(islice(seen.items(), before, before + SHOWN))
    whose = [(one.client, one.name) for _, one in shown if one.client is not None]
    bodies = await store.schedule_bodies(whose, LARGEST)
    interval = settings_of(await store.settings(SYSTEM)).schedule_interval
    later = before + SHOWN if before + SHOWN < len(seen) else None
    lines = [
        _line(visit, name, one, interval, bodies.get((one.client or "", one.name)))
        for name, one in shown
    ]
    return visit.page("schedules.html", lines=lines, later=later)


def _line(
    visit: Visit, name: str, schedule: Schedule, interval: int, body: JsonObject | None
) -> ScheduleLine:
    """`body` None: it has none, or a large one."""
    workflow = ((body or {}).get("job") or {}).get("workflow") or ""
    timed = with_interval(schedule, interval)
    when = f"cron {timed.cron} (UTC)" if timed.cron else f"every {short_duration(timed.every or 0)}"
    switchable = schedule.client is None and schedule.name not in SAFETY and visit.admin
    return ScheduleLine(
        called=name,
        schedule=schedule,
        when=when,
        workflow=str(workflow),
        may_switch=visit.may_change and (schedule.client is not None or switchable),
        body=masked(body),
    )


async def act(visit: Visit) -> Response:
    """Switch a schedule on or off, run it now, or remove it."""
    fields = await visit.form()
    name, wanted = fields.get("schedule", ""), fields.get("do", "")
    resource = Schedules(visit.services)
    if wanted in ("on", "off"):
        await resource.turn(name, visit.client, active=wanted == "on")
        said = f"The schedule {name} is switched {wanted}."
    elif wanted == "run":
        said = f"The schedule {name} was run: job {await _run(visit, name)}."
    elif wanted == "remove":
        await resource.drop(name, visit.client)
        said = f"The schedule {name} is removed."
    else:
        raise BadInput(f"do: there is no such action: {wanted[:40]!r}")
    visit.audit(f"{wanted} of schedule {name[:200]}")
    return visit.back(fields, "schedules", said)


async def _run(visit: Visit, name: str) -> int:
    """Submit the schedule's job now; its ticks stay as they are."""
    visit.services.check_open()
    schedule = found(await Schedules(visit.services).seen_by(visit.client), name)
    if schedule is None or schedule.client is None:
        raise NotFound(f"there is no schedule of a client called {name[:40]!r}")
    store = visit.services.store
    body = await store.schedule_body(schedule.name, schedule.client)
    owner = await store.client(schedule.client)
    if body is None or owner is None:
        raise NotFound(f"the schedule {name[:40]!r} is gone")
    submission = visit.services.reader().read(Received(body, owner, visit.origin))
    job_id, recorded = await submit_one(visit.services.intake, submission)
    if recorded.refusal is not None:
        raise BadInput(f"job {job_id} was refused: {recorded.refusal}")
    return job_id


ROUTES = [
    PageRoute("GET", "/schedules", schedules, query=("after",)),
    PageRoute("POST", "/schedules", act),
]
