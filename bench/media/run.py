"""The measurement: each film by the command lines and by a job, in turns."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import trio

from bench.jobs import Done, done_job
from bench.media.bare import Command, Spent, encoding, packaging, spend
from bench.media.checks import expect_same
from bench.media.film import LOOP, RENDITIONS, SMALL, make_renditions, make_source
from bench.serving import Served, serving
from bench.usage import cpu

FACTOR, MORE = 1.05, 1.0  # of the command lines' seconds, and seconds: what a job may take
PLAIN = {"create_thumbnail": False, "create_dref": False}  # what the command lines do not make
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    seconds: Sequence[int]  # of films that are packaged
    encoded: int  # of the one that is encoded; 0: none
    rounds: int


@dataclass(frozen=True, slots=True)
class Case:
    """A film in a folder of the input root, and what is done with it. Sums over all rounds."""

    title: str
    folder: Path
    seconds: int
    commands: Sequence[Command]
    parameters: Mapping[str, object]
    alone: list[Spent] = field(default_factory=list)
    jobs: list[tuple[Done, float]] = field(default_factory=list)  # with the seconds of processors


async def run(data: Path, wanted: Wanted, tell: Tell) -> str:
    """All that is wanted, as a Markdown table."""
    cases = await trio.to_thread.run_sync(_cases, data / "input", wanted)
    tell("the films are made")
    async with serving(data) as served:
        for turn in range(wanted.rounds):
            for case in cases:
                await _compare(data, served, case, turn)
                tell(f"{case.title}: {case.alone[-1].wall:.1f} s, {case.jobs[-1][0].wall:.1f} s")
    return _table(cases)


def _cases(root: Path, wanted: Wanted) -> list[Case]:
    cases = []
    for seconds in (_whole(one) for one in wanted.seconds):
        folder = root / f"film-{seconds}"
        make_renditions(folder, seconds)
        title = f"packaging {len(RENDITIONS)} renditions of {seconds} s"
        cases.append(Case(title, folder, seconds, packaging(folder), PLAIN))
    if seconds := _whole(wanted.encoded):
        folder = root / f"source-{seconds}"
        make_source(folder, seconds)
        title, more = f"encoding {seconds} s of {SMALL} lines", {"encode_source": True}
        cases.append(Case(title, folder, seconds, encoding(folder), PLAIN | more))
    return cases


def _whole(seconds: int) -> int:
    """Loops of the film."""
    return seconds // LOOP * LOOP


async def _compare(data: Path, served: Served, case: Case, turn: int) -> None:
    """Once by the command lines and once by a job; who is first changes from turn to turn."""
    bare = data / f"bare-{case.folder.name}"
    steps = [_bare, _job]
    for step in steps if turn % 2 == 0 else reversed(steps):
        await trio.to_thread.run_sync(os.sync)
        await step(data, served, case, bare)
    made = case.jobs[-1][0].folder
    await trio.to_thread.run_sync(expect_same, bare, made, case.seconds)
    for folder in (bare, made):
        await trio.to_thread.run_sync(shutil.rmtree, folder)


async def _bare(data: Path, served: Served, case: Case, folder: Path) -> None:
    case.alone.append(await trio.to_thread.run_sync(spend, case.commands, folder))


async def _job(data: Path, served: Served, case: Case, folder: Path) -> None:
    before = cpu(served.process.pid)
    given = {"source_folder": case.folder.name, **case.parameters}
    done = await done_job(served, "vodstream", data / "output", case.folder.name, **given)
    case.jobs.append((done, cpu(served.process.pid) - before))


def _table(cases: Sequence[Case]) -> str:
    heads = ["", "command lines", "job", "may take", "CPU", "CPU of the job"]
    heads += ["memory of the largest child", "of the engine"]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    return "\n".join([*lines, *map(_row, cases)])


def _row(case: Case) -> str:
    alone = median(one.wall for one in case.alone)
    watches = [done.watch for done, _ in case.jobs]
    cells = [
        case.title,
        f"{alone:.1f} s",
        f"{median(done.wall for done, _ in case.jobs):.1f} s",
        f"{FACTOR * alone + MORE:.1f} s",
        f"{median(one.cpu for one in case.alone):.1f} s",
        f"{median(used for _, used in case.jobs):.1f} s",
        _mib(max(max(one.largest.values()) for one in watches)),
        _mib(max(one.engine for one in watches)),
    ]
    return "| " + " | ".join(cells) + " |"


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
