"""Schedules as clients write and see them."""

from __future__ import annotations

import re
from datetime import datetime

from taskengine.jobs.fields import FLAGS
from taskengine.model import BadInput, Json, JsonObject
from taskengine.schedules import BUILT_IN, MAX_EVERY, SUBMIT_JOB, Schedule
from taskengine.workflows.schemas import shown as shown_value

NAME = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
MAX_DESCRIPTION = 500  # characters
ONCE = ("run_at", "depends_on")  # of a job that runs once


def schedule_entry(schedule: Schedule) -> JsonObject:
    """The contract's keys, in its order; `cron` in place of `every` where it has one."""
    if schedule.cron is not None:
        when: JsonObject = {"cron": schedule.cron}
    else:
        when = {"every": [schedule.every, {"first_in": schedule.first_in}]}
    rest = {"queue": schedule.queue, "description": schedule.description}
    return {"class": schedule.kind, **when, **rest}


def recurring(body: JsonObject, client: str, now: datetime) -> Schedule:
    """A client's schedule from the body of POST /schedules. Raises BadInput."""
    cron, every, first_in = _when(body)
    schedule = Schedule(
        name=_name(body),
        kind=SUBMIT_JOB,
        description=_description(body),
        every=every,
        first_in=first_in,
        cron=cron,
        active=body.get("active") in (None, "") or _flag(body, "active"),
        client=client,
        body=_job(body),
    )
    return schedule.starting(now)


def switched(body: JsonObject) -> tuple[str, bool]:
    """Which schedule is to be on or off. Raises BadInput."""
    name = body.get("schedule")
    if not isinstance(name, str) or not name.strip():
        raise BadInput("schedule: expected the name of a schedule")
    return name.strip(), _flag(body, "active")


def _job(body: JsonObject) -> JsonObject:
    """What is submitted each time."""
    job = body.get("job")
    for name in ONCE:
        if isinstance(job, dict) and job.get(name):
            raise BadInput(f"job.{name}: not for a job that recurs")
    return {key: body[key] for key in ("job", "parameters") if key in body}


def _name(body: JsonObject) -> str:
    name = body.get("name")
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        wanted = "a letter or digit, then letters, digits, - _ ."
        raise BadInput(f"name: expected at most 100 characters, {wanted}")
    if name.lower() in {one.name for one in BUILT_IN}:
        raise BadInput(f"name: {name.lower()} is the engine's own, in any case of letters")
    return name


def _description(body: JsonObject) -> str:
    text = body.get("description")
    if text is None:
        return "Submits a job."
    if not isinstance(text, str) or len(text) > MAX_DESCRIPTION:
        raise BadInput(f"description: expected a text of at most {MAX_DESCRIPTION} characters")
    return text


def _when(body: JsonObject) -> tuple[str | None, int | None, int]:
    """`cron`, or `every` and after how many seconds for the first time."""
    cron, every = body.get("cron"), body.get("every")
    if (cron is None) == (every is None):
        raise BadInput("cron: expected either cron or every")
    if cron is not None:
        if not isinstance(cron, str):
            raise BadInput("cron: expected five fields such as 30 4 * * *")
        return cron.strip(), None, 0
    parts = every if isinstance(every, list) else [every]
    if len(parts) not in (1, 2):
        raise BadInput('every: expected seconds, or [seconds, {"first_in": seconds}]')
    seconds = _seconds(parts[0], "every", 1)
    if len(parts) == 1:
        return None, seconds, seconds
    if not isinstance(parts[1], dict) or parts[1].keys() != {"first_in"}:
        raise BadInput('every: expected seconds, or [seconds, {"first_in": seconds}]')
    given = parts[1]["first_in"]
    return None, seconds, _seconds(given, "every: first_in", 0)


def _seconds(value: Json, place: str, least: int) -> int:
    """A whole number, which may come as a text or with a fraction of zero."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        text = str(value).strip().removesuffix(".0")
        if re.fullmatch("[0-9]{1,9}", text, re.ASCII) and least <= int(text) <= MAX_EVERY:
            return int(text)
    raise BadInput(f"{place}: expected whole seconds from {least} to {MAX_EVERY}")


def _flag(body: JsonObject, name: str) -> bool:
    value = body.get(name)
    text = str(value).strip().lower()
    if value in (None, "") or isinstance(value, dict | list) or text not in FLAGS:
        raise BadInput(f"{name}: expected true or false, got {shown_value(value)}")
    return FLAGS[text]
