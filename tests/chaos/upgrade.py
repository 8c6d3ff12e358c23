"""`make chaos ARGS=upgrade`: the version before and this one side by side, on one database.

First without a fault, behind a proxy: no request may fail, no task may begin twice. Then under the
load, the faults and the judgement of `make chaos`, while one instance after the other is replaced.
"""

from __future__ import annotations

import argparse
import random
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trio

from tests.chaos.balancer import Balancer
from tests.chaos.experiment import Findings, Options, experiment
from tests.chaos.former import NoFormerVersion, former_commit, former_tree
from tests.chaos.frame import Say, run_and_tell
from tests.chaos.place import ROOT
from tests.support.serving import HEADERS, ended_job, lines_of, serving

NAMES = ("one", "two", "three")
CLIENTS = 6
SETTINGS = {"drain": 15, "notice": 3, "queues": "work=3", "requests_per_second": 0}


@dataclass(slots=True)
class Replaced:
    """What clients saw while all instances were replaced, without a fault."""

    requests: int = 0
    jobs: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class UpgradeFindings:
    replaced: Replaced
    chaos: Findings

    @property
    def holds(self) -> bool:
        return not self.replaced.wrong and self.chaos.holds


async def replaced(data: Path, former: Path, seconds: float, say: Say) -> Replaced:
    """Three instances of the former version behind a proxy, replaced one after the other under
    load; the versions run side by side for so many seconds each time."""
    found, balancer = Replaced(), Balancer()
    async with balancer.pool, trio.open_nursery() as checks:
        fleet = Fleet(data, balancer)
        async with fleet.running(former):
            checks.start_soon(balancer.check)
            transport = {"transport": balancer, "base_url": "http://proxy", "headers": HEADERS}
            async with httpx.AsyncClient(**transport) as client:
                await client.post("/settings", json={"name": "max_jobs", "setting": "200"})
                async with trio.open_nursery() as nursery:
                    for number in range(CLIENTS):
                        nursery.start_soon(_submit, client, found, number)
                    for name in NAMES:
                        await trio.sleep(seconds)
                        say(f"instance {name} is replaced; {len(found.jobs)} jobs so far")
                        await fleet.stop(name)
                        await fleet.start(name, ROOT)
                    await trio.sleep(seconds)
                    nursery.cancel_scope.cancel()
                await _judge(client, found)
            checks.cancel_scope.cancel()
    return found


class Fleet:
    """Instances on one embedded database, each on a stack of its own."""

    def __init__(self, data: Path, balancer: Balancer) -> None:
        self.data, self.balancer = data, balancer
        self.stacks: dict[str, AsyncExitStack] = {}

    @asynccontextmanager
    async def running(self, tree: Path):
        try:
            for name in NAMES:
                await self.start(name, tree)
            yield
        finally:
            with trio.CancelScope(shield=True):
                for name in list(self.stacks):
                    await self.stop(name)

    async def start(self, name: str, tree: Path) -> None:
        """One of the program below a folder."""
        self.stacks[name] = stack = AsyncExitStack()
        engine = serving(self.data, name=f"{name}-{tree.name}", tree=tree, **SETTINGS)
        _, client = await stack.enter_async_context(engine)
        self.balancer.upstreams[name] = str(client.base_url).rstrip("/")

    async def stop(self, name: str) -> None:
        """SIGTERM; it has to end with 0."""
        await self.stacks.pop(name).aclose()


async def _submit(client: httpx.AsyncClient, found: Replaced, number: int) -> None:
    """Submit and read, one request after the other, until cancelled; one of the clients sends jobs
    that last."""
    workflow, parameters = ("sleep", {"seconds": 0.5}) if number == 0 else ("noop", {})
    body = {"client": "acme", "job": {"workflow": workflow}, "parameters": parameters}
    while True:
        for method, path in (("POST", "/job"), ("GET", "/jobs"), ("GET", "/dashboard")):
            answer = await client.request(method, path, json=body if method == "POST" else None)
            found.requests += 1
            if answer.status_code != 200:
                found.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            elif method == "POST":
                found.jobs.append(int(answer.json()["id"]))
        await trio.sleep(0.1)


async def _judge(client: httpx.AsyncClient, found: Replaced) -> None:
    for job_id in found.jobs:
        job = await ended_job(client, job_id)
        lines = [line["message"] for line in await lines_of(client, job_id)]
        begun = sum(text.startswith("Task '") and text.endswith("' started") for text in lines)
        if job["failed"] or begun != 1:
            found.wrong.append(
                f"job {job_id}: failed {job['failed']}, its task began {begun} times"
            )


def main(arguments: Sequence[str]) -> int:
    """0: all that has to hold held; 1: it did not, and the logs are kept; 2: there is no former
    version to begin with."""
    given = _parser().parse_args(arguments)
    try:
        commit = given.former or former_commit(ROOT)
    except NoFormerVersion as problem:
        print(f"No upgrade was tried: {problem}")
        return 2

    async def run(folder: Path, say: Say) -> UpgradeFindings:
        former = former_tree(ROOT, folder.parent / "former", commit)
        say(f"from {commit} to this version")
        seconds = given.minutes * 60
        quiet = await replaced(folder.parent / "quiet" / "var", former, seconds / 20, say)
        shutil.rmtree(folder.parent / "quiet")
        options = Options(folder, given.minutes, given.seed, say=say, former=former)
        return UpgradeFindings(quiet, await experiment(options))

    return run_and_tell("upgrade", given.seed, run, _tell)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=upgrade", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of load and faults (10)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--former", metavar="COMMIT", help="the version to begin with")
    return parser


def _tell(findings: UpgradeFindings) -> None:
    quiet, chaos = findings.replaced, findings.chaos
    print(f"\nWithout faults: {quiet.requests} requests, {len(quiet.jobs)} jobs;")
    print("\n".join(quiet.wrong) or "none failed, and each task began once.")
    print(f"Under faults: {chaos.figures}")
    for name, cases in {**chaos.wrong, "troubles": chaos.troubles}.items():
        for case in cases:
            print(f"{name}: {case}")
