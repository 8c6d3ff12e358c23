"""A run: servers, instances, load and faults side by side, then quiet, then the verdict."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trio

from taskengine.callbacks.bodies import webhook_id
from taskengine.embedded.valkey import embedded_valkey
from tests.chaos import audit
from tests.chaos.faults import (
    DATABASE_KILLED,
    FLOOD,
    HEAVY,
    KILL,
    KILLED,
    PAUSE,
    POISON,
    STOPPED,
    Driver,
    Fault,
)
from tests.chaos.instances import Instance, one_by_one
from tests.chaos.load import Load
from tests.chaos.place import ROOT, Place
from tests.chaos.plans import Planner
from tests.chaos.ports import held_port
from tests.chaos.receiver import FAULTS, Receivers, running_receivers
from tests.chaos.recovery import Recoveries, almost_all, longest, middle, recoveries
from tests.chaos.rudeness import Rudeness
from tests.chaos.servers import Postgres, running_postgres
from tests.chaos.verdict import Evidence, Verdict, judge
from tests.support.engines import processes_of

INSTANCES = ("a", "b", "c")
BACKLOG = 150  # unfinished jobs at which clients wait
QUIET_SECONDS = 180.0
UPGRADE_STEP = 0.2  # of a run, before each instance is replaced
GONE_SECONDS = 15.0  # for the children of instances that have ended
UNFINISHED = "select count(*) as n from jobs where state in (0, 1, 3, 5, 6)"
PAUSED = "select id from jobs where state = 6"
OPEN = """
select (select count(*) from jobs where state in (0, 1, 3, 5, 6) or open_tasks > 0 and state = 4)
     + (select count(*) from callbacks where delivered_at is null) as n
"""
ROWS = {
    "jobs": "select id, state, failed from jobs",
    "tasks": "select id, job_id, name, state from tasks",
    "callbacks": """select l.job_id, l.url, c.lane_id, e.task_id, e.event, c.number
                    from callbacks c join lanes l on l.id = c.lane_id
                                     join events e on e.id = c.event_id""",
    "moves": "select job_id, before, after from audit.moves order by id",
    "admissions": "select job_id, before from audit.admissions order by id",
    "written_plans": "select job_id, tx from audit.plans",
    "violations": "select kind, job_id, task_id, what, process from audit.violations order by id",
}


@dataclass(frozen=True, slots=True)
class Options:
    folder: Path
    minutes: float = 10.0
    seed: int = 1
    lease: float = 15.0
    rate: float = 7.0  # jobs a second
    longest: float = 8.0  # seconds of a task
    former: Path | None = None  # below which there is the version before, to be replaced
    receiver_faults: Mapping[str, int] = field(default_factory=lambda: FAULTS)
    receiver_fails: int = 2  # times in a row
    first: Sequence[str] = (
        KILLED,
        STOPPED,
        DATABASE_KILLED,
        HEAVY,
        POISON,
        FLOOD,
    )  # then at random
    say: Callable[[str], None] = print


@dataclass(slots=True)
class Findings:
    """What a run has shown."""

    options: Options
    verdict: Verdict
    recoveries: Recoveries
    faults: Sequence[Fault]
    receivers: Counter[str]
    jobs: int
    tasks: int
    callbacks: int
    tries: int  # requests of the clients
    database_restarts: int
    taken_over: dict[int, int] = field(default_factory=dict)  # by pause: tasks that others got
    troubles: list[str] = field(default_factory=list)
    logged_errors: list[str] = field(default_factory=list)  # by instances

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What has to be empty."""
        return {name: getattr(self.verdict, name) for name in Verdict.__dataclass_fields__}

    @property
    def figures(self) -> dict[str, float]:
        """The one JSON object of the command; recovery is that after kills alone."""
        kills = [place for place, fault in enumerate(self.faults) if fault.name == KILLED]
        times = self.recoveries.after(kills)
        return {
            "jobs": self.jobs,
            "kills": _hit(self.faults, KILL),
            "pauses": _hit(self.faults, PAUSE),
            "database_restarts": self.database_restarts,
            **{name: len(cases) for name, cases in self.wrong.items()},
            "recovery_p50_s": middle(times),
            "recovery_p99_s": almost_all(times),
            "recovery_max_s": longest(times),
        }

    @property
    def holds(self) -> bool:
        return not any(self.wrong.values()) and not self.troubles


def _hit(faults: Sequence[Fault], how: str) -> int:
    return sum(len(fault.processes) for fault in faults if fault.how == how)


@dataclass(frozen=True, slots=True)
class World:
    """What a run is made on."""

    place: Place
    postgres: Postgres
    receivers: Receivers
    instances: list[Instance]


async def experiment(options: Options) -> Findings:
    """Load and faults for so many minutes; then all is left to heal and looked at."""
    dice = random.Random(options.seed)
    async with _world(options, dice) as world, httpx.AsyncClient(timeout=7) as http:
        receivers, instances = world.receivers, world.instances
        planner = Planner(
            random.Random(dice.random()), receivers.urls, receivers.gates, options.longest
        )
        load = Load(planner, instances, random.Random(dice.random()), http)
        valkey = world.place.folder / "valkey"
        driver = Driver(
            random.Random(dice.random()),
            instances,
            world.postgres,
            Rudeness(load, planner),
            valkey,
            options.lease,
            options.say,
            list(options.first),
        )
        seconds = options.minutes * 60
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run, options.rate, seconds, _room(world.postgres))
            if options.former:
                nursery.start_soon(one_by_one, instances, UPGRADE_STEP * seconds, options.say)
            await driver.run(seconds)
            nursery.cancel_scope.deadline = trio.current_time() + QUIET_SECONDS
        if nursery.cancel_scope.cancelled_caught:
            load.troubles.append("not every submission was answered once all was well")
        options.say(f"{len(load.jobs)} jobs acknowledged; no more faults")
        receivers.is_well = True
        troubles = await _until_quiet(world.postgres.url, load)
        options.say("quiet; the audit begins")
        findings = await _findings(options, world, load, driver)
        findings.troubles += troubles + await _left_behind(world)
    return findings


@asynccontextmanager
async def _world(options: Options, dice: random.Random) -> AsyncIterator[World]:
    """Servers and instances, for the length of the block."""
    place = Place(options.folder, options.lease)
    place.settle()
    receivers = Receivers(
        random.Random(dice.random()), options.receiver_faults, options.receiver_fails
    )
    async with (
        running_postgres(place.folder / "postgres") as postgres,
        embedded_valkey(place.folder) as redis_url,
        running_receivers(receivers),
    ):
        await audit.install(postgres.url)
        tree = options.former or ROOT
        with ExitStack() as stack:
            instances = [
                Instance(
                    name, stack.enter_context(held_port()), place, postgres.url, redis_url, tree
                )
                for name in INSTANCES
            ]
            for instance in instances:
                stack.callback(instance.close)
                instance.start()
            for instance in instances:
                await instance.until_ready()
            yield World(place, postgres, receivers, instances)


def _room(postgres: Postgres):
    """How many more jobs clients may have open; some while nobody can tell."""

    async def room() -> int:
        try:
            with trio.fail_after(1):
                [row] = await audit.query(postgres.url, UNFINISHED)
        except audit.AWAY:
            return 5
        return max(0, BACKLOG - row["n"])

    return room


async def _until_quiet(url: str, load: Load) -> list[str]:
    """Wait until nothing is left to do; what is left in the end is found by the verdict."""
    with trio.move_on_after(QUIET_SECONDS):
        while (await audit.query_patiently(url, OPEN))[0]["n"]:
            for row in await audit.query_patiently(url, PAUSED):
                await load.resume(row["id"])
            await trio.sleep(0.3)
        return []
    return [f"not everything was done {QUIET_SECONDS:g} s after the last fault"]


async def _findings(options: Options, world: World, load: Load, driver: Driver) -> Findings:
    url = world.postgres.url
    rows = {name: await audit.query(url, sql) for name, sql in ROWS.items()}
    rows["callbacks"] = [
        {**one, "webhook_id": webhook_id(one["lane_id"], one["task_id"], one["event"])}
        for one in rows["callbacks"]
    ]
    effects = [json.loads(line) for line in world.place.effects.read_text().splitlines()]
    seen = Evidence(
        plans=load.jobs,
        effects=effects,
        arrivals=world.receivers.arrivals,
        doubles=load.doubles,
        **rows,
    )
    return Findings(
        options=options,
        verdict=judge(seen),
        recoveries=await recoveries(
            url, driver.faults, world.postgres.outages, [one.away for one in world.instances]
        ),
        faults=driver.faults,
        receivers=world.receivers.faults,
        jobs=len(load.jobs),
        tasks=len(rows["tasks"]),
        callbacks=len(rows["callbacks"]),
        tries=load.tries,
        database_restarts=world.postgres.starts - 1,
        taken_over=await _taken_over(url, driver.faults),
        troubles=[*load.troubles, *(one for i in world.instances for one in i.troubles)],
        logged_errors=[one for i in world.instances for one in i.logged_errors()],
    )


async def _taken_over(url: str, faults: Sequence[Fault]) -> dict[int, int]:
    """By pause: how many attempts of the paused process others ended meanwhile."""
    sql = """select count(*) as n from audit.claims c
             join audit.ends e on e.task_id = c.task_id and e.attempt = c.attempt
             where c.process = $1 and e.process <> $1
               and e.at between to_timestamp($2) and to_timestamp($3)"""
    found = {}
    for place, fault in enumerate(faults):
        if fault.how == PAUSE and fault.until is not None:
            [process] = fault.processes
            [row] = await audit.query(url, sql, process, fault.since, fault.until)
            found[place] = row["n"]
    return found


async def _left_behind(world: World) -> list[str]:
    """Stop the instances as an operator would; nothing of them may stay."""
    async with trio.open_nursery() as nursery:
        for instance in world.instances:
            nursery.start_soon(instance.terminate)
    mark = f"CHAOS_EFFECTS={world.place.effects}"
    with trio.move_on_after(GONE_SECONDS):
        while processes_of(mark):
            await trio.sleep(0.2)
    left = [f"left behind: {process}" for process in processes_of(mark)]
    return left + [one for i in world.instances for one in i.troubles if "asked to end" in one]
