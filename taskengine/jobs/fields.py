"""Fields of a job as clients write them, on submission and on update. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskengine.jobs.changes import UPDATABLE
from taskengine.model import BadInput, JobState, Json, JsonObject
from taskengine.times import parse_time
from taskengine.workflows.formats import is_http_url
from taskengine.workflows.schemas import shown

GATE_NAMES = ("semaphore_url", "sempahore_url", "semphore_url")  # A4: the first is canonical
MAX_URL = 2048  # characters
MAX_POSITION = 2**31 - 1
MAX_PARENTS = 100  # jobs that a job depends on
ASKED = (JobState.PAUSED, JobState.BROKEN, JobState.QUEUED)  # states that an update may ask for
FLAGS = {"true": True, "1": True, "false": False, "0": False, "": False, "none": False}


@dataclass(frozen=True, slots=True)
class Fields:
    """Null and empty texts are as good as absent. Every reader raises BadInput naming the field."""

    values: JsonObject
    place: str = ""  # before the names in messages

    def priority(self) -> int:
        return self._integer("priority", 1, 10, 5)

    def position(self) -> int:
        return self._integer("position", -MAX_POSITION, MAX_POSITION, 1)

    def top_of_queue(self) -> bool:
        return self._flag("top_of_queue")

    def persist(self) -> bool:
        return self._flag("persist")

    def run_at(self) -> datetime | None:
        value = self.values.get("run_at")
        if value in (None, ""):
            return None
        try:
            return parse_time(value if isinstance(value, str) else shown(value))
        except ValueError:
            raise self._wrong("run_at", "a time such as 2031-02-01T08:30:00.000") from None

    def semaphore_url(self) -> str | None:
        """The gate by its name or one of the misspellings that clients know (A4)."""
        given = {n: self.values[n] for n in GATE_NAMES if self.values.get(n) not in (None, "")}
        for name, value in given.items():
            if not isinstance(value, str) or len(value) > MAX_URL or not is_http_url(value):
                raise self._wrong(name, "an http or https URL")
        return next(iter(given.values()), None)

    def queue_state(self) -> JobState:
        """By its name in any case, or the number that filters have for it."""
        value = self.values.get("queue_state")
        text = "" if isinstance(value, bool) else str(value).strip().lower()
        for state in ASKED:
            if text in (state.label, str(int(state))):
                return state
        raise self._wrong("queue_state", "paused, broken or queued")

    def planning(self) -> dict[str, Any]:
        """What a submission says of its place and time: all that an update may change later."""
        return {name: reader(self) for name, reader in READERS.items() if name != "queue_state"}

    def problems(self) -> list[str]:
        """All that is wrong in the fields of a submission."""
        return list(_wrong(self))

    def depends_on(self) -> tuple[int, ...]:
        """The jobs that have to complete first, each once, in order."""
        value = self.values.get("depends_on")
        if value in (None, ""):
            return ()
        if not isinstance(value, list) or len(value) > MAX_PARENTS:
            raise self._wrong("depends_on", f"a list of at most {MAX_PARENTS} job ids")
        return tuple(dict.fromkeys(self._job_id(item) for item in value))

    def _job_id(self, value: Json) -> int:
        """A number may come as a text or with a fraction of zero, as everywhere."""
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            text = str(value).strip()
            if match := re.fullmatch(r"0*([1-9][0-9]{0,17})(\.0*)?", text, re.ASCII):
                return int(match[1])
        raise BadInput(f"{self.place}depends_on: expected ids of jobs, got {shown(value)}")

    def _integer(self, name: str, low: int, high: int, default: int) -> int:
        value = self.values.get(name)
        if value in (None, ""):
            return default
        number = _number(value)
        if number is None or number != int(number) or not low <= number <= high:
            raise self._wrong(name, f"a whole number from {low} to {high}")
        return int(number)

    def _flag(self, name: str) -> bool:
        value = self.values.get(name)
        text = str(value).strip().lower()
        if isinstance(value, dict | list) or text not in FLAGS:
            raise self._wrong(name, "true or false")
        return FLAGS[text]

    def _wrong(self, name: str, wanted: str) -> BadInput:
        return BadInput(f"{self.place}{name}: expected {wanted}, got {shown(self.values[name])}")


READERS: dict[str, Callable[[Fields], Any]] = {name: getattr(Fields, name) for name in UPDATABLE}

OF_JOB = {"workflow", "depends_on", *READERS, *GATE_NAMES} - {"queue_state"}  # of a submission
OF_SUBMISSION = (
    *(reader for name, reader in READERS.items() if name in OF_JOB),
    Fields.depends_on,
)


def _wrong(fields: Fields) -> Iterator[str]:
    for reader in OF_SUBMISSION:
        try:
            reader(fields)
        except BadInput as error:
            yield str(error)


def updates(body: JsonObject) -> dict[str, Any]:
    """The fields that an update names, in its order. A gate alone may be cleared. Raises BadInput
    if it names none."""
    fields = Fields(body)
    found: dict[str, Any] = {}
    for given, value in body.items():
        name = GATE_NAMES[0] if given in GATE_NAMES else given
        if name in READERS and (name in GATE_NAMES or value not in (None, "")):
            found.setdefault(name, READERS[name](fields))
    if not found:
        raise BadInput(f"expected at least one of {', '.join(UPDATABLE)}")
    return found


def _number(value: Json) -> float | None:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,12}(\.0*)?\s*", value):
        return float(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
