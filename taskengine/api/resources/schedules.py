"""GET and POST /schedules, DELETE /schedules/<name>, PUT /scheduler: the recurring work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quart import Response
from werkzeug.exceptions import Forbidden

from taskengine.api.auth import caller, owner
from taskengine.api.openapi.bodies import LENIENT_FLAG, SUBMISSION
from taskengine.api.openapi.operation import (
    COUNT,
    TEXT,
    Operation,
    Parameter,
    ResponseSpec,
    list_of,
    record,
)
from taskengine.api.reception import received
from taskengine.api.responses import reply
from taskengine.api.routes import Route
from taskengine.api.schedule_body import (
    MAX_DESCRIPTION,
    NAME,
    ONCE,
    recurring,
    schedule_entry,
    switched,
)
from taskengine.api.services import Services
from taskengine.api.unread import refuse_unknown, unread, with_warnings
from taskengine.jobs.submission import Received
from taskengine.model import BadInput, Client, JsonObject, NotFound, Severity
from taskengine.schedules import BUILT_IN, MAX_CRON, MAX_EVERY, SAFETY, Schedule, origin_of

SECONDS = {"type": "integer", "minimum": 1, "maximum": MAX_EVERY}
FIRST_IN = record(first_in={**SECONDS, "minimum": 0})
EVERY: JsonObject = {
    "type": "array",
    "prefixItems": [SECONDS, record(first_in=COUNT)],
    "minItems": 2,
    "maxItems": 2,
    "description": "The interval in seconds; `first_in` is the time to the first run.",
}
CRON: JsonObject = {
    "type": "string",
    "maxLength": MAX_CRON,
    "pattern": r"^([0-9]|[1-5][0-9]|\*) ([0-9]|1[0-9]|2[0-3]|\*) \* \* ([0-6]|\*)$",
    "description": "Minute, hour, day, month, day of the week, in UTC; also lists, ranges, steps.",
    "examples": ["30 4 * * *"],
}
SCHEDULE = record(
    "Schedule",
    ("every", "cron"),
    **{"class": TEXT},
    every=EVERY,
    cron=TEXT,
    queue=TEXT,
    description=TEXT,
)
SHOWN = record(
    "Schedules",
    ("warnings",),
    result={"const": "ok"},
    schedules={"type": "object", "additionalProperties": SCHEDULE},
    warnings=list_of(TEXT),
)
NAMES = record(
    "ScheduleNames",
    ("warnings",),
    result={"const": "ok"},
    schedules=list_of(TEXT),
    warnings=list_of(TEXT),
)
SWITCHABLE = [one.name for one in BUILT_IN if one.name not in SAFETY]
OWN = {**TEXT, "pattern": NAME, "description": "A schedule made by POST /schedules."}
GIVEN_FLAG: JsonObject = {
    "anyOf": [
        {"type": "boolean"},
        {"enum": [0, 1]},
        {"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|0|1)$"},
    ]
}
JOB: JsonObject = {  # without what is of one time alone
    "type": "object",
    "additionalProperties": False,
    "properties": {
        name: schema
        for name, schema in SUBMISSION["properties"]["job"]["properties"].items()
        if name not in ONCE
    },
}
ACTIVE = Operation(
    summary="The schedules that are switched on",
    tag="settings",
    description="The schedules of the engine and of the client; admins see all. If several "
    "clients use a name, it is shown as `<client>/<name>`.",
    answer=SHOWN,
)
SWITCH = Operation(
    summary="Switch a schedule on or off",
    tag="settings",
    description="Clients switch their own schedules, admins all. Without `queue_scheduled_jobs` "
    "no job with a `run_at` or a gate is queued. `rescue_lost_tasks` cannot be switched off.",
    lenient=True,
    answer=ResponseSpec("The names of the schedules that are on.", NAMES),
    body={
        "title": "Switch",
        "type": "object",
        "required": ["schedule", "active"],
        "properties": {
            "client": {**TEXT, "description": "The client, if no header names it."},
            "schedule": {"anyOf": [{"enum": SWITCHABLE}, OWN]},
            "active": GIVEN_FLAG,
        },
    },
    errors={400: "There is no such schedule, or it cannot be switched off."},
)
ADD = Operation(
    summary="Submit a job on a schedule",
    tag="settings",
    description="Replaces a schedule of the same name and client.",
    answer=SHOWN,
    body={
        **SUBMISSION,
        "title": "NewSchedule",
        "additionalProperties": False,
        "required": ["name", "job", "parameters"],
        "oneOf": [{"required": ["cron"]}, {"required": ["every"]}],
        "properties": {
            **SUBMISSION["properties"],
            "job": JOB,
            "name": {**TEXT, "pattern": NAME},
            "description": {**TEXT, "maxLength": MAX_DESCRIPTION},
            "cron": CRON,
            "every": {"anyOf": [SECONDS, {**EVERY, "prefixItems": [SECONDS, FIRST_IN]}]},
            "active": LENIENT_FLAG,
        },
    },
    errors={400: "The job would be refused, or the name or the times are invalid."},
)
ADD_KEYS = frozenset(ADD.body["properties"]) if ADD.body else frozenset()
REMOVE = Operation(
    summary="Remove a schedule",
    tag="settings",
    answer=ResponseSpec("The names of the schedules that are on.", NAMES),
    parameters=[Parameter("name", "The name of the schedule.", TEXT, "path")],
    errors={
        400: "The schedule is the engine's own, or several clients have one of this name.",
        404: "There is no such schedule.",
    },
)


@dataclass(frozen=True, slots=True)
class Schedules:
    services: Services

    async def active(self) -> Response:
        seen = await self.seen_by(await caller(self.services))
        active = {name: schedule_entry(one) for name, one in seen.items() if one.active}
        return reply({"result": "ok", "schedules": active})

    async def switch(self) -> Response:
        async with received(self.services, any_type=True) as sent:  # the contract asks for none
            body, client = await sent.value(), sent.client
        await owner(self.services, client, body)
        name, active = switched(body)
        await self.turn(name, client, active=active)
        return await self._changed(client, unread(body, ("schedule", "active")))

    async def turn(self, name: str, client: Client, *, active: bool) -> None:
        """Switch a schedule on or off, for this client. Raises BadInput and Forbidden."""
        seen = await self.seen_by(client)
        known = found(seen, name) or found(seen, name.lower())
        if known is None:
            there_are = ", ".join(seen)[:1000]
            raise BadInput(f"schedule: there is no schedule {name[:40]!r}; there are {there_are}")
        if known.name in SAFETY and known.client is None and not active:
            raise BadInput(f"schedule: {name} cannot be switched off")
        _check(client, known)
        now = self.services.now()
        await self.services.store.activate(known.name, known.client, active, now)
        self.services.rescheduled()

    async def add(self) -> Response:
        async with received(self.services) as sent:
            body = await sent.value()
        client = await owner(self.services, sent.client, body)
        refuse_unknown(body, ADD_KEYS)
        refuse_unknown(body.get("job"), {*JOB["properties"], *ONCE}, "job.")
        schedule = recurring(body, client.name, self.services.now())
        warnings = self._check_job(schedule, client)
        await self.services.store.put_schedule(schedule)
        self.services.rescheduled()
        answer = {"result": "ok", "schedules": {schedule.name: schedule_entry(schedule)}}
        return reply(with_warnings(answer, warnings))

    async def remove(self, name: str) -> Response:
        client = await caller(self.services)
        await self.drop(name, client)
        return await self._changed(client)

    async def drop(self, name: str, client: Client) -> None:
        """Remove a schedule, for this client. Raises NotFound and BadInput."""
        known = found(await self.seen_by(client), name)
        if known is None:
            raise NotFound(f"there is no schedule {name[:40]!r}")
        if known.client is None:
            raise BadInput(f"{name} is the engine's own: it can be switched off")
        await self.services.store.remove_schedule(known.name, known.client)
        self.services.rescheduled()

    def _check_job(self, schedule: Schedule, client: Client) -> list[str]:
        """The warnings that each of its jobs will have. Raises BadInput for a job that would be
        refused."""
        received = Received(schedule.body or {}, client, origin_of(schedule))
        read = self.services.reader().read(received)
        if read.refusal:
            raise BadInput(read.refusal)
        return [text for severity, _, text in read.lines if severity is Severity.WARN]

    async def _changed(self, client: Client, warnings: Sequence[str] = ()) -> Response:
        seen = await self.seen_by(client)
        names = [name for name in seen if seen[name].active]
        return reply(with_warnings({"result": "ok", "schedules": names}, warnings))

    async def seen_by(self, client: Client) -> dict[str, Schedule]:
        """The engine's and the client's own, an admin's are all, by what each is called: a name
        that several clients have taken is `<client>/<name>`, but for the caller's own."""
        known = await self.services.store.schedules()
        seen = [one for one in known if client.admin or one.client in (None, client.name)]
        taken = Counter(one.name for one in seen)
        return {
            one.name
            if taken[one.name] == 1 or one.client in (None, client.name)
            else f"{one.client}/{one.name}": one
            for one in seen
        }


def found(seen: Mapping[str, Schedule], name: str) -> Schedule | None:
    """By what it is called, or by its client and name. Raises BadInput where several are meant."""
    if name in seen:
        return seen[name]
    whose, _, own = name.rpartition("/")
    for one in seen.values():
        if whose and (one.client, one.name) == (whose, own):
            return one
    if any(one.name == name for one in seen.values()):
        raise BadInput(f"schedule: several clients have {name}: expected <client>/{name}")
    return None


def _check(client: Client, schedule: Schedule) -> None:
    """Raises Forbidden unless the client may change the schedule."""
    if not client.admin and schedule.client != client.name:
        raise Forbidden("the schedule is the engine's own")


def routes(services: Services) -> Sequence[Route]:
    schedules = Schedules(services)
    return [
        Route("GET", "/schedules", schedules.active, ACTIVE),
        Route("POST", "/schedules", schedules.add, ADD),
        Route("DELETE", "/schedules/<path:name>", schedules.remove, REMOVE),
        Route("PUT", "/scheduler", schedules.switch, SWITCH),
    ]
