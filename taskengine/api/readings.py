"""Submissions read on behalf of a request: here if they are small, else by a worker, when it is the
client's turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from werkzeug.exceptions import HTTPException

from taskengine.api.auth import owner_named
from taskengine.api.json_body import LIGHT, is_heavy
from taskengine.api.query import Query
from taskengine.api.reading import BodyReading, Foreign, Item
from taskengine.api.reception import Sent
from taskengine.api.services import Services
from taskengine.model import BadInput, Client, Submission
from taskengine.runtime.aside import WorkerEnded

SubmissionOrError = Submission | Exception  # what to record, or why there is nothing


@dataclass(frozen=True, slots=True)
class Readings:
    services: Services
    sent: Sent

    async def read(self, items: Sequence[Item]) -> list[SubmissionOrError]:
        """What to record of each. Raises Busy."""
        own = self.sent.client
        known: dict[str, Client] = {own.name: own}
        found = await self._read(items, known)
        foreign = {place: one.client for place, one in enumerate(found) if isinstance(one, Foreign)}
        refused: dict[str, Exception] = {}
        with self.sent.patience.counted():
            for name in dict.fromkeys(foreign.values()):
                try:
                    known[name] = await owner_named(self.services, own, name)
                except (BadInput, HTTPException) as error:
                    refused[name] = error
        wanted = [place for place, name in foreign.items() if name in known]
        again = await self._read([items[place] for place in wanted], known)
        told: dict[int, Submission | Foreign | Exception] = dict(zip(wanted, again, strict=True))
        told |= {place: refused[name] for place, name in foreign.items() if name in refused}
        return [_known(told.get(place, one)) for place, one in enumerate(found)]

    async def _read(
        self, items: Sequence[Item], owners: Mapping[str, Client]
    ) -> list[Submission | Foreign | Exception]:
        if not items:
            return []
        caller = self.sent.client.name
        query = [*Query.of_request().values]
        reading = BodyReading(self.services.reader(), self.sent.origin, caller, query, owners)
        weight = sum(len(item.raw) for item in items)
        if weight <= LIGHT and not any(is_heavy(item.raw) for item in items):
            return reading.read(items)
        try:
            return await self.sent.heavy.run(caller, reading.read_aside, items)
        except WorkerEnded as error:
            if len(items) == 1:
                return [BadInput(f"the body cannot be read: {error}")]
        half = len(items) // 2
        return [
            *await self._read(items[:half], owners),
            *await self._read(items[half:], owners),
        ]


def _known(one: Submission | Foreign | Exception) -> SubmissionOrError:
    assert not isinstance(one, Foreign)
    return one
