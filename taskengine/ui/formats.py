"""How values are written for people. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from taskengine.model import Job, JobState, Json, TaskState
from taskengine.times import format_time

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
SIZES = ("B", "kB", "MB", "GB", "TB")
MOST = 20_000  # characters of a document that a page shows


def short_duration(seconds: float) -> str:
    """`850 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `5 d 3 h`."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for place, (length, unit) in enumerate(UNITS[:-1]):
        if whole >= length:
            below, name = UNITS[place + 1]
            rest = whole % length // below
            return f"{whole // length} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{whole} s"


def relative(time: datetime, now: datetime) -> str:
    """`now`, `5 min ago`, `in 2 h`."""
    seconds = (now - time).total_seconds()
    if abs(seconds) < 2:
        return "now"
    whole = int(abs(seconds))
    length, unit = next(one for one in UNITS if whole >= one[0])
    told = f"{whole // length} {unit}"
    return f"{told} ago" if seconds > 0 else f"in {told}"


def when(time: datetime | None, now: datetime) -> Markup:
    """A time in words, kept up to date by the script; the exact one is shown on top of it."""
    if time is None:
        return Markup('<span class="soft">–</span>')
    exact = format_time(time)
    told = f"{exact[:10]} {exact[11:19]} UTC"
    return Markup('<time datetime="{}" title="{}" data-relative>{}</time>').format(
        exact, told, relative(time, now)
    )


def clock(time: datetime | None) -> str:
    """`11:55:33.755`."""
    return "" if time is None else format_time(time)[11:-1]


def moment(time: datetime | None) -> str:
    """`2030-01-02 11:55:33`."""
    return "" if time is None else format_time(time)[:19].replace("T", " ")


def breakable(name: str) -> Markup:
    """A name that may go on in the next line behind an underscore."""
    return Markup(str(escape(name)).replace("_", "_<wbr>"))


def size(number: float) -> str:
    for unit in SIZES[:-1]:
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} {SIZES[-1]}"


def count(number: int) -> str:
    """`12 345`, with thin spaces."""
    return f"{number:,}".replace(",", "\u202f")


def job_word(job: Job) -> str:
    """The state of a job in one word, which is also its colour's name."""
    if job.digest is None and job.state is JobState.BROKEN:
        return "refused"
    return "failed" if job.state is JobState.COMPLETED and job.failed else job.state.label


def badge(word: str) -> Markup:
    """A state: by its colour and its word."""
    return Markup('<span class="badge {0}">{0}</span>').format(word)


def job_badge(job: Job) -> Markup:
    return badge(job_word(job))


def task_badge(state: TaskState) -> Markup:
    return badge(state.label)


def bar(percent: int, told: str) -> Markup:
    """How far something is."""
    return Markup('<progress max="100" value="{0}" aria-label="{1}">{0} %</progress>').format(
        percent, told
    )


def pretty(value: Json) -> str:
    """A document, so much of it as a page shows."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return cut(text)


def cut(text: str, most: int = MOST) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… {count(len(text) - most)} characters more"


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start) / timedelta(seconds=1)


def duration(start: datetime | None, end: datetime | None) -> str:
    seconds = seconds_between(start, end)
    return "" if seconds is None else short_duration(seconds)


FILTERS: dict[str, Callable[..., Any]] = {
    "when": when,
    "clock": clock,
    "moment": moment,
    "breakable": breakable,
    "size": size,
    "count": count,
    "pretty": pretty,
    "cut": cut,
    "seconds": short_duration,
}
GLOBALS: dict[str, Callable[..., Any]] = {
    "badge": badge,
    "job_badge": job_badge,
    "task_badge": task_badge,
    "job_word": job_word,
    "bar": bar,
    "duration": duration,
}
