"""GET and POST /settings: an admin's are the system's, any other client's its own (A13)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from quart import Response
from werkzeug.exceptions import Forbidden

from taskengine.api.auth import caller, owner
from taskengine.api.openapi.operation import TEXT, Operation, list_of, record
from taskengine.api.reception import received
from taskengine.api.responses import reply
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.api.unread import unread, with_warnings
from taskengine.model import BadInput, Client, JsonObject
from taskengine.policy import (
    ADMINS_ONLY,
    NUMBERS,
    SYSTEM,
    SYSTEM_ONLY,
    check_setting,
    in_force,
    settings_of,
)
from taskengine.texts import like

MAX_NAME = 100  # characters
MAX_VALUE = 10_000  # characters
READ = Operation(
    summary="The settings in force",
    tag="settings",
    answer=record(
        "Settings",
        result={"const": "ok"},
        settings={
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "null"]},
            "description": "Known settings are numbers, or null if a client has no limit; "
            "others are texts.",
        },
    ),
)
WRITE = Operation(
    summary="Create or change a setting",
    tag="settings",
    lenient=True,
    description="Admins change the settings of the system, other clients their own. `weight` is "
    "given to a client by an admin.",
    answer=record(
        "SettingWritten",
        ("warnings",),
        result={"const": "ok"},
        message=TEXT,
        warnings=list_of(TEXT),
    ),
    body={
        "title": "Setting",
        "type": "object",
        "required": ["name", "setting"],
        "properties": {
            "client": {**TEXT, "description": "The client whose setting an admin changes."},
            "name": {**TEXT, "pattern": r"\S", "maxLength": MAX_NAME, "examples": ["max_jobs"]},
            "setting": {"type": ["string", "number", "boolean"], "maxLength": MAX_VALUE},
        },
    },
    errors={400: "The body, the name or the value is invalid."},
)


@dataclass(frozen=True, slots=True)
class SettingsOfClients:
    services: Services

    async def read(self) -> Response:
        client = await caller(self.services)
        return reply({"result": "ok", "settings": await self.values(_scope(client))})

    async def values(self, scope: str) -> JsonObject:
        """The values in force for a client or the system, set or not; null: not bounded at the
        client's level."""
        stored = system = await self.services.store.settings(SYSTEM)
        known = settings_of(system)
        if scope != SYSTEM:
            stored = await self.services.store.settings(scope)
            known = in_force(system, stored)
        return {**stored, **asdict(known)}

    async def write(self) -> Response:
        async with received(self.services) as sent:
            body, sender = await sent.value(), sent.client
        client = await owner(self.services, sender, body)
        # An admin may name a client, and then writes that client's.
        scope = _scope(sender) if client == sender else client.name
        name = await self.put(scope, body, sender)
        answer = {"result": "ok", "message": f"{name} setting created/updated"}
        return reply(with_warnings(answer, [*_unknown(name), *unread(body, ("name", "setting"))]))

    async def put(self, scope: str, body: JsonObject, sender: Client) -> str:
        """Write the setting that a body names, of a client or the system, for the sender; gives its
        name. Raises BadInput and Forbidden."""
        name, value = _setting(body)
        if scope != SYSTEM and name in SYSTEM_ONLY:
            raise BadInput(f"name: {name} is the system's alone: an admin sets it")
        if name in ADMINS_ONLY and not sender.admin:
            raise Forbidden(f"name: {name} is set by an admin")
        await self.services.store.put_setting(scope, name, value)
        self.services.changed()  # a slot may have come free
        if name in SYSTEM_ONLY:
            self.services.rescheduled()
        return name


def _unknown(name: str) -> list[str]:
    """Clients may keep what they like; one that is misspelt would be looked for in vain."""
    if name in NUMBERS:
        return []
    return [f"{name}: no setting of the engine{like(name, NUMBERS)}; kept, without any effect"]


def _scope(client: Client) -> str:
    return SYSTEM if client.admin else client.name


def _setting(body: JsonObject) -> tuple[str, str]:
    name, value = body.get("name"), body.get("setting")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= MAX_NAME:
        raise BadInput(f"name: expected a text of at most {MAX_NAME} characters")
    name = name.strip()
    name = name.lower() if name.lower() in NUMBERS else name
    if value is None or isinstance(value, dict | list):
        raise BadInput("setting: expected a text, a number or a boolean")
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > MAX_VALUE:
        raise BadInput(f"setting: expected at most {MAX_VALUE} characters")
    return name, check_setting(name, text)


def routes(services: Services) -> Sequence[Route]:
    settings = SettingsOfClients(services)
    return [
        Route("GET", "/settings", settings.read, READ),
        Route("POST", "/settings", settings.write, WRITE),
    ]
