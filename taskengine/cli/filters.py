"""The filters of lists and of bulk operations, as options of commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from taskengine.model import JobState, JsonObject

STATES = [state.label for state in JobState]
DAYS = {"today": 0, "yesterday": 1}
NAMES = ("state", "failed", "from_", "to", "of", "search")


class DateText(click.ParamType):  # type: ignore[type-arg]
    """A date or a time as the API takes it; `today` and `yesterday` in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text.lower() not in DAYS:
            return text
        day = datetime.now(UTC) - timedelta(days=DAYS[text.lower()])
        return day.strftime("%Y-%m-%d")


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a filter."""
    for option in (
        click.option("--search", metavar="TEXT", help="A job id, or how a content id begins."),
        click.option("--of", metavar="CLIENT", help="Only jobs of this client."),
        click.option("--to", metavar="TIME", type=DateText(), help="Created then or before."),
        click.option("--from", "from_", metavar="TIME", type=DateText(),
                     help="Created then or later: a date, a time, today, yesterday."),
        click.option("--failed", is_flag=True, help="Only failed jobs."),
        click.option("--state", multiple=True, type=click.Choice(STATES),
                     help="May be given repeatedly."),
    ):  # fmt: skip
        command = option(command)
    return command


def query_of(given: JsonObject) -> dict[str, str | int]:
    """What the options say, as the query of GET /jobs; what is not given is left out. What is given
    empty is not: a bulk operation is refused then, and not begun on more than was meant."""
    query = {
        "state": ",".join(given["state"]) or None,
        "failed": int(given["failed"]) or None,
        "from": given["from_"],
        "to": given["to"],
        "client": given["of"],
        "search": given["search"],
    }
    return {name: value for name, value in query.items() if value is not None}
