"""For every batch that an actor may form within its limits, with the limits' worst values: its
transactions end in time, and it takes bounded memory. Run as a module: the worst of it all.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import trio

from taskengine.actors.bodies import MAX_LARGE_BODIES, Bodies
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.intake import MAX_BATCH, Intake
from taskengine.actors.recorder import Recorder
from taskengine.actors.retention import MAX_REMOVED
from taskengine.messages import Submit
from taskengine.model import Delivery, LaneResult, Severity, Submission
from taskengine.runtime.mailbox import Mailbox
from taskengine.testing.contract.world import ACTION, LATER, NOON, World, at, definition, done
from tests.support.endings import tell_end

TEXT = "x" * 1_000_000
WIDE = definition([], [], callback={"echo": "{{ custom_data }}", "all": "{{ tasks }}"})


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many there are of each in a batch."""

    documents: int = 50  # jobs with documents of 1 MB
    wide: int = MAX_BATCH  # jobs with `urls` URLs
    urls: int = 100
    results: int = 20  # of 1 MB
    lists: int = 200_000  # 1 MB of them is slow to parse
    ends: int = 357  # tasks that end at once: of 21 workers with 16 unwritten ends each


SMALL = Sizes(2, 12, 100, 2, 50_000, 12)


@dataclass(slots=True)
class Meter:
    """How long each transaction of a store took, and how much memory its caller did."""

    store: Any
    longest: dict[str, float] = field(default_factory=dict)  # seconds
    peaks: dict[str, int] = field(default_factory=dict)  # bytes

    @asynccontextmanager
    async def measure(self, name: str):
        run = self.store.pool.run
        times = [0.0]

        async def timed(*arguments: Any, **options: Any) -> Any:
            began = time.monotonic()
            try:
                return await run(*arguments, **options)
            finally:
                times.append(time.monotonic() - began)

        self.store.pool.run = timed
        before = self._memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
        try:
            yield
        finally:
            took = self._memory("VmHWM") - before
            self.peaks[name] = max(took, self.peaks.get(name, 0))
            self.store.pool.run = run
            self.longest[name] = max(*times, self.longest.get(name, 0.0))

    def _memory(self, name: str) -> int:
        status = Path("/proc/self/status").read_text()
        [line] = [one for one in status.splitlines() if one.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024


def job(sizes: Sizes, custom_data: object, urls: int) -> Submission:
    given = {"custom_data": custom_data}
    return Submission(
        client="acme",
        workflow="demo",
        submitted=given,
        lines=[(Severity.INFO, "api", "x" * (1_000_000 if custom_data is not None else 100))],
        definition=WIDE,
        parameters=given,
        urls=[f"http://{number}.test/" for number in range(urls)],
    )


def jobs(sizes: Sizes) -> list[Submission]:
    lists = [[n % 10] for n in range(sizes.lists)]
    heavy = [job(sizes, lists if n % 2 else TEXT, sizes.urls) for n in range(sizes.documents)]
    return [*heavy, *[job(sizes, None, sizes.urls) for _ in range(sizes.wide)]]


async def take_in(store: Any, batch: Sequence[Submission]) -> list[Any]:
    """All at once, through the intake; what each is answered."""
    answers: list[Any] = [None] * len(batch)

    async def ask(place: int) -> None:
        answers[place] = await mailbox.address.ask(Submit(replace(batch[place])))

    with Mailbox[Submit](len(batch)) as mailbox:
        async with trio.open_nursery() as actors:
            actors.start_soon(Intake(store, lambda: NOON, lambda: None).run, mailbox)
            async with trio.open_nursery() as clients:
                for place in range(len(batch)):
                    clients.start_soon(ask, place)
            mailbox.address.close()
    return answers


async def finish(store: Any, instance: int, attempts: Sequence[Any], result: str) -> None:
    """All at once, through the recorder."""
    state = InstanceState(instance)

    async def end(attempt: Any) -> None:
        state.list(attempt)
        await tell_end(mailbox.address, replace(done(attempt), result=result))

    with Mailbox[Any](len(attempts)) as mailbox:
        async with trio.open_nursery() as actors:
            recorder = Recorder(store, state, lambda: NOON, lambda recorded: None)
            actors.start_soon(recorder.run, mailbox)
            async with trio.open_nursery() as workers:
                for attempt in attempts:
                    workers.start_soon(end, attempt)
            mailbox.address.close()


async def claim(store: Any, instance: int, limit: int) -> list[Any]:
    claimed = await store.claim(instance, "work", [ACTION], limit, uuid.uuid4(), NOON)
    return list(claimed.attempts)


async def deliver(store: Any, instance: int, limit: int = 32) -> int:
    """One courier's batch, with all the large bodies that may be at hand; how many callbacks."""
    lanes, _ = await store.claim_lanes(instance, limit, (), LATER)
    bodies = Bodies(store)
    async with trio.open_nursery() as nursery:
        for lane in lanes[:MAX_LARGE_BODIES]:
            nursery.start_soon(_hold, bodies, lane.callbacks[-1])
    results = [
        LaneResult(lane.fence, [Delivery(one.id, LATER, True, 204) for one in lane.callbacks])
        for lane in lanes
        if lane.callbacks
    ]
    if results:
        await store.deliver(instance, results)
    return sum(len(one.deliveries) for one in results)


async def _hold(bodies: Bodies, callback: Any) -> None:
    async with bodies.of(callback):
        await trio.sleep(0.1)


async def check(store: Any, sizes: Sizes, say: Callable[[str], None] = lambda text: None) -> Meter:
    """The batches of each actor, one after the other."""
    patient, meter = store.patient, Meter(store)
    world = await World(patient).settle()
    await world.setting("", max_jobs=100_000)

    async def step(name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        began = time.monotonic()
        async with meter.measure(name):
            answer = await work()
        took = time.monotonic() - began
        figures = f"{meter.longest[name]:.2f} s, {meter.peaks[name] / 1e6:.0f} MB"
        say(f"{name}: {figures}; all of it {took:.1f} s")
        return answer

    batch = jobs(sizes)
    answers = await step("intake", lambda: take_in(store, batch))
    while again := [place for place, one in enumerate(answers) if isinstance(one, Exception)]:
        told = await take_in(store, [batch[place] for place in again])
        for place, one in zip(again, told, strict=True):
            answers[place] = one
    assert len(set(answers)) == len(batch)
    await patient.admit(world.instance, NOON, 100_000)
    large, ended = '{"text":"' + "y" * 1_000_000 + '"}', 0
    while attempts := await step("claim", lambda: claim(patient, world.instance, sizes.ends)):
        heavy, light = attempts[: sizes.results], attempts[sizes.results :]
        await step("results", lambda heavy=heavy: finish(patient, world.instance, heavy, large))
        await step("ends", lambda light=light: finish(patient, world.instance, light, "{}"))
        ended += len(attempts)
    assert ended == 2 * len(batch)
    sent = 0
    while number := await step("deliver", lambda: deliver(patient, world.instance)):
        sent += number
        if sizes is not SMALL and sent > 5_000:
            break
    expected = len(batch) * sizes.urls * 3  # two tasks complete, the job ends
    assert sent == expected or sizes is not SMALL
    await patient.pool.run(_all_sent)
    after, removed = None, 0
    while True:
        cleared = await step("clean-up", lambda after=after: clear(patient, after))
        removed, after = removed + cleared.number, cleared.last
        if after is None:
            break
    assert removed == len(batch)
    return meter


async def _all_sent(connection: Any) -> None:
    await connection.execute("set local statement_timeout = 0")
    await connection.execute("update lanes set due_at = null, holder = null")


async def clear(store: Any, after: Any) -> Any:
    return await store.clear_old_jobs(at(10_000), MAX_REMOVED, after)


async def main() -> None:
    """Against the database of the first argument, which is to be empty and migrated."""
    import trio_asyncio

    from taskengine.store.postgres import open_postgres

    async with trio_asyncio.open_loop(), open_postgres(sys.argv[1]) as store:
        await check(store, Sizes(), print)


if __name__ == "__main__":
    trio.run(main)
