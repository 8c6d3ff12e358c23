"""What rude clients do: heavy documents, poison, families too large to break at once, floods."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import trio

from tests.chaos.instances import Instance
from tests.chaos.load import Load
from tests.chaos.plans import FOREVER, POISONED, POISONS, Plan, Planner, now

HEAVY = 6  # jobs of each kind at once
TEXT = "x" * 900_000  # of a document with many URLs
LISTS = [[number % 10] for number in range(160_000)]  # 1 MB that is slow to parse
URLS = 10
CHILDREN = 600
TOGETHER = 100  # of them: more are not recorded within the time of a request on a busy machine
FLOOD = 500  # connections at once
FLOOD_SECONDS = 6.0
HALF_A_HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: "
ANSWERED_IN = 5.0  # seconds, on a machine that is busy with three instances


@dataclass(slots=True)
class Rudeness:
    load: Load
    planner: Planner

    async def heavy_documents(self) -> None:
        """Jobs as heavy as the limits allow; all of them end, and all of their URLs hear."""
        urls = [f"{self.planner.receivers[n % 4]}/{n}" for n in range(URLS)]
        plans = [self.planner.plain(urls=urls, more={"custom_data": TEXT}) for _ in range(HEAVY)]
        plans += [self.planner.plain(more={"custom_data": LISTS}) for _ in range(HEAVY)]
        await self._submit_all(plans)

    async def poison(self) -> None:
        """Each of these jobs fails by itself, and takes nothing along."""
        poisoned = {"workflow": POISONED, "failures": [FOREVER]}
        await self._submit_all(
            [self.planner.plain(**poisoned, more={"kind": kind}) for kind in POISONS]
        )

    async def _submit_all(self, plans: list[Plan]) -> None:
        async with trio.open_nursery() as nursery:
            for plan in plans:
                nursery.start_soon(self.load.submit, plan)

    async def large_family(self) -> None:
        """A job for which many wait is stopped: none of them starts, all of them end."""
        parent = self.planner.plain(seconds=[20.0], tampering="break")
        await self.load.submit(parent)
        children = [
            self.planner.plain(client=parent.client, parent=parent, tampering="break")
            for _ in range(CHILDREN)
        ]
        for first in range(0, CHILDREN, TOGETHER):
            await self.load.submit_together(children[first : first + TOGETHER], now())
        await self.load.change(parent, "broken")

    async def flood(self, instance: Instance) -> None:
        """Connections that begin a request and never end it, beside a client that asks."""
        async with trio.open_nursery() as nursery:
            for _ in range(FLOOD):
                nursery.start_soon(_begin_a_request, instance.port)
            await self._ask_meanwhile(instance)
            nursery.cancel_scope.cancel()

    async def _ask_meanwhile(self, instance: Instance) -> None:
        until = trio.current_time() + FLOOD_SECONDS
        async with httpx.AsyncClient(timeout=ANSWERED_IN) as client:
            while trio.current_time() < until:
                await trio.sleep(0.2)
                try:
                    await client.get(f"{instance.url}/livez", headers={"connection": "close"})
                except httpx.HTTPError as error:
                    trouble = f"{instance.process} does not answer in a flood: {error!r}"
                    self.load.troubles.append(trouble)


async def _begin_a_request(port: int) -> None:
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(HALF_A_HEAD)
            await trio.sleep(FLOOD_SECONDS)
    except (OSError, trio.BrokenResourceError):
        pass  # it was shown the door, as it may be
