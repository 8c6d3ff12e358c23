"""Receivers of callbacks, and gates: they keep what arrives, and are at times slow or broken."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import h11
import trio

from tests.support.receivers import serve_requests

PORTS = 4  # each counts as a host of its own
HANG = 17.0  # seconds: longer than a delivery may take
GATE_SECONDS = 1.5  # until a gate opens
FAULTS: Mapping[str, int] = {"500": 30, "slow": 20, "lost answer": 10, "hang": 1}  # in a thousand


@dataclass(frozen=True, slots=True)
class Arrival:
    """A callback that a receiver took."""

    url: str
    webhook_id: str
    job_id: int
    task_id: int
    task_name: str  # empty: of the job
    event: str  # start, complete, fail, or end with the job's


@dataclass(slots=True)
class Receivers:
    """All that arrived, in the order of arrival."""

    random: random.Random
    weights: Mapping[str, int] = field(default_factory=lambda: FAULTS)
    in_a_row: int = 2  # failures of a lane: the third pause would be two minutes
    ports: list[int] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    is_well: bool = False  # at the end nothing fails any more
    _failures: Counter[tuple[str, int]] = field(default_factory=Counter)
    _asked: dict[str, float] = field(default_factory=dict)

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}/hook" for port in self.ports]

    @property
    def gates(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}/gate"

    def fault_for(self, arrival: Arrival) -> str | None:
        """What goes wrong with this try; a lane fails a few times in a row at most."""
        lane = (arrival.url, arrival.job_id)
        rest = 1000 - sum(self.weights.values())
        chosen = self.random.choices([*self.weights, None], [*self.weights.values(), rest])[0]
        if chosen is None or self.is_well or self._failures[lane] >= self.in_a_row:
            self._failures[lane] = 0
            return None
        self.faults[chosen] += 1
        self._failures[lane] += 1
        return chosen

    def gate(self, path: str) -> int:
        asked = self._asked.setdefault(path, trio.current_time())
        return 200 if trio.current_time() >= asked + GATE_SECONDS else 404


@asynccontextmanager
async def running_receivers(receivers: Receivers) -> AsyncIterator[None]:
    """Listen for the length of the block."""
    async with trio.open_nursery() as nursery:
        for _ in range(PORTS):
            [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port = listener.socket.getsockname()[1]
            receivers.ports.append(port)
            answer = partial(_answer, receivers, f"http://127.0.0.1:{port}")
            nursery.start_soon(trio.serve_listeners, partial(serve_requests, answer), [listener])
        yield
        nursery.cancel_scope.cancel()


async def _answer(receivers: Receivers, base: str, request: h11.Request, body: bytes) -> int | None:
    """The status to answer with; None: none at all."""
    path = request.target.decode()
    if request.method == b"GET":
        return receivers.gate(path)
    arrival = _arrival(base + path, request, body)
    fault = receivers.fault_for(arrival)
    if fault in ("slow", "hang"):
        await trio.sleep(0.5 if fault == "slow" else HANG)
    if fault == "500":
        return 500
    receivers.arrivals.append(arrival)
    return None if fault in ("lost answer", "hang") else 200


def _arrival(url: str, request: h11.Request, raw: bytes) -> Arrival:
    headers = {name.decode(): value.decode() for name, value in request.headers}
    body = json.loads(raw)
    return Arrival(
        url,
        headers["webhook-id"],
        int(body["job_id"]),
        int(body.get("task_id", 0)),
        body.get("task_name", ""),
        body.get("event", "end"),
    )
