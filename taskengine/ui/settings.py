"""The settings in force: an admin's are the system's, any other client's its own."""

from __future__ import annotations

from dataclasses import dataclass

from quart import Response

from taskengine.api.resources.settings import SettingsOfClients
from taskengine.model import BadInput, Json
from taskengine.policy import ADMINS_ONLY, NUMBERS, SYSTEM, SYSTEM_ONLY
from taskengine.ui.routes import PageRoute
from taskengine.ui.visit import Visit

MEANINGS = {
    "max_jobs": "Jobs that run at once. 0: none starts, as for maintenance.",
    "priority_slots": "Slots of these that are kept for urgent jobs.",
    "priority_threshold": "Jobs of this priority, or a lower number, are urgent.",
    "schedule_interval": "Seconds between looks for jobs whose time has come.",
    "retry_delay": "Seconds before a failed task is tried again.",
    "retry_limit": "How often a failed task is tried again.",
    "retry_hours": "Hours after its end that a job keeps what a retry needs.",
    "retention_days": "Days after its end that a job is kept.",
    "weight": "Of a client: of equal priorities, the next slot is for the client that was served "
    "least for its weight. 0: none of its own. Slots are shared as soon as there is a weight.",
}


@dataclass(frozen=True, slots=True)
class SettingLine:
    name: str
    meaning: str
    value: Json  # None: there is no limit at this level
    least: int
    most: int


async def settings(visit: Visit) -> Response:
    scope = _scope(visit, visit.query.text("client") or "")
    values = await SettingsOfClients(visit.services).values(scope)
    lines = [
        SettingLine(name, MEANINGS.get(name, ""), values[name], *NUMBERS[name])
        for name in NUMBERS
        if (scope == SYSTEM or name not in SYSTEM_ONLY) and (visit.admin or name not in ADMINS_ONLY)
    ]
    others = {name: value for name, value in values.items() if name not in NUMBERS}
    return visit.page("settings.html", lines=lines, others=others, scope=scope)


def _scope(visit: Visit, client: str) -> str:
    """Whose settings: the system's or any client's for an admin, else one's own."""
    visit.check_owner(client or visit.only or "")
    return client or (SYSTEM if visit.admin else visit.client.name)


async def change(visit: Visit) -> Response:
    fields = await visit.form()
    name, value = fields.get("name", ""), fields.get("setting", "")
    if name not in NUMBERS:
        raise BadInput(f"name: expected one of {', '.join(NUMBERS)}, got {name[:40]!r}")
    scope = _scope(visit, fields.get("client", ""))
    body = {"name": name, "setting": value}
    await SettingsOfClients(visit.services).put(scope, body, visit.client)
    visit.audit(f"sets {name} of {scope or 'the system'} to {value[:20]}")
    return visit.back(fields, "settings", f"{name} is {value}.")


ROUTES = [
    PageRoute("GET", "/settings", settings, query=("client",)),
    PageRoute("POST", "/settings", change),
]
