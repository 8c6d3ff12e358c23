"""GET and POST /pauses, DELETE /pauses/<kind>/<name>: clients, workflows, queues and instances that
begin nothing new."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from quart import Response
from werkzeug.exceptions import Forbidden

from taskengine.api.auth import caller, owner
from taskengine.api.openapi.operation import (
    TEXT,
    TIME,
    Operation,
    Parameter,
    list_of,
    nullable,
    one_of,
    record,
)
from taskengine.api.reception import received
from taskengine.api.responses import reply
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.api.unread import refuse_unknown, with_warnings
from taskengine.model import TASK_QUEUES, BadInput, Client, JsonObject, NotFound
from taskengine.pauses import Pause, PauseKind, names_of
from taskengine.texts import clean_text, like
from taskengine.times import format_time, parse_time

logger = logging.getLogger("taskengine.audit")

MAX_NAME = 200  # characters
KIND = one_of(*PauseKind)
PAUSE = record("Pause", kind=KIND, name=TEXT, since=TIME, by=TEXT, until=nullable(TIME))
SHOWN = record(
    "Pauses",
    ("warnings",),
    result={"const": "ok"},
    pauses=list_of(PAUSE),
    warnings=list_of(TEXT),
)
LIST = Operation(
    summary="What is paused",
    tag="settings",
    description="Of clients a client sees itself, an admin all.",
    answer=SHOWN,
)
ADD = Operation(
    summary="Pause a client, a workflow, a queue or an instance",
    tag="settings",
    description="For admins. What runs goes on, nothing new begins: a client starts no job, jobs "
    "of a workflow are set aside as `paused` when their turn comes, no task of a queue or by an "
    "instance of this name, or of the host of this name, begins. Given again, `until` is changed.",
    answer=SHOWN,
    body={
        "title": "NewPause",
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "name"],
        "properties": {
            "client": {**TEXT, "description": "The client that asks, if no header names it."},
            "kind": KIND,
            "name": {**TEXT, "minLength": 1, "maxLength": MAX_NAME},
            "until": nullable(
                {**TEXT, "format": "date-time", "description": "Without it somebody has to end it."}
            ),
        },
    },
    errors={
        400: "There is no such client or queue, or the time is over.",
        403: "The client is no admin.",
    },
)
END = Operation(
    summary="End a pause",
    tag="settings",
    description="For admins. Jobs that were set aside are queued again.",
    answer=SHOWN,
    parameters=[
        Parameter("kind", "What is paused.", KIND, "path"),
        Parameter("name", "Its name.", TEXT, "path"),
    ],
    errors={
        400: "There is no such kind.",
        403: "The client is no admin.",
        404: "It is not paused.",
    },
)


@dataclass(frozen=True, slots=True)
class Pauses:
    services: Services

    async def show(self) -> Response:
        return await self._answer(await caller(self.services))

    async def add(self) -> Response:
        async with received(self.services) as sent:
            body = await sent.value()
        await owner(self.services, sent.client, body)
        refuse_unknown(body, ("client", "kind", "name", "until"))
        warnings = await self.put(body, sent.client)
        return await self._answer(sent.client, warnings)

    async def end(self, kind: str, name: str) -> Response:
        client = await caller(self.services)
        await self.remove(kind, name, client)
        return await self._answer(client)

    async def _answer(self, client: Client, warnings: Sequence[str] = ()) -> Response:
        rows = [_row(one) for one in await self.seen_by(client)]
        return reply(with_warnings({"result": "ok", "pauses": rows}, warnings))

    async def seen_by(self, client: Client) -> Sequence[Pause]:
        """The pauses in force, but for those of other clients unless it is an admin."""
        now = self.services.now()
        return [
            one
            for one in await self.services.store.pauses()
            if one.holds(now)
            and (client.admin or one.kind is not PauseKind.CLIENT or one.name == client.name)
        ]

    async def put(self, body: JsonObject, client: Client) -> list[str]:
        """Pause what a body names, for this client; what it is to be warned of. Raises BadInput and
        Forbidden."""
        _check_admin(client)
        kind, name, until = _kind(body.get("kind")), _name(body.get("name")), self._until(body)
        warnings = await self._check(kind, name)
        pause = Pause(kind, name, self.services.now(), client.name, until)
        await self.services.store.put_pause(pause)
        self.services.paused()
        logger.info("%.100r: %s", client.name, pause.told)
        return warnings

    async def remove(self, kind: str, name: str, client: Client) -> None:
        """End a pause, for this client. Raises BadInput, NotFound and Forbidden."""
        _check_admin(client)
        if not await self.services.store.remove_pause(_kind(kind), clean_text(name)):
            raise NotFound(f"the {kind} {name[:40]} is not paused")
        self.services.paused()
        logger.info("%.100r: the %s %.200s is paused no more", client.name, kind, name)

    def _until(self, body: JsonObject) -> datetime | None:
        given = body.get("until")
        if given is None or given == "":
            return None
        try:
            until = parse_time(given if isinstance(given, str) else "")
        except ValueError:
            raise BadInput("until: expected a time such as 2031-02-01T08:30:00.000") from None
        if until <= self.services.now():
            raise BadInput(f"until: expected a time to come, got {format_time(until)}")
        return until

    async def _check(self, kind: PauseKind, name: str) -> list[str]:
        """What others may know and this instance does not is only warned of. Raises BadInput."""
        store, known = self.services.store, [name]
        match kind:
            case PauseKind.CLIENT if await store.client(name) is None:
                raise BadInput(f"name: there is no client {name[:40]!r}")
            case PauseKind.QUEUE if name not in TASK_QUEUES:
                raise BadInput(f"name: expected a queue of {', '.join(TASK_QUEUES)}")
            case PauseKind.WORKFLOW:
                known = [workflow.name for workflow in self.services.library().all()]
            case PauseKind.INSTANCE:
                found = await store.instances()
                known = [name for instance in found for name in names_of(instance.name)]
        if name in known:
            return []
        return [f"name: paused, but this engine knows no {kind} {name[:40]!r}{like(name, known)}"]


def _check_admin(client: Client) -> None:
    if not client.admin:
        raise Forbidden("pauses are made and ended by admins")


def _kind(given: object) -> PauseKind:
    try:
        return PauseKind(str(given))
    except ValueError:
        raise BadInput(f"kind: expected one of {', '.join(PauseKind)}") from None


def _name(given: object) -> str:
    if not isinstance(given, str) or not 0 < len(given.strip()) <= MAX_NAME:
        raise BadInput(f"name: expected a text of at most {MAX_NAME} characters")
    return clean_text(given.strip())


def _row(pause: Pause) -> JsonObject:
    until = pause.until and format_time(pause.until)
    return {
        "kind": pause.kind.value,
        "name": pause.name,
        "since": format_time(pause.since),
        "by": pause.by,
        "until": until,
    }


def routes(services: Services) -> Sequence[Route]:
    pauses = Pauses(services)
    return [
        Route("GET", "/pauses", pauses.show, LIST),
        Route("POST", "/pauses", pauses.add, ADD),
        Route("DELETE", "/pauses/<kind>/<path:name>", pauses.end, END),
    ]
