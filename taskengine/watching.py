"""How a job comes along, shown to people: bars on a terminal, else a line for each task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from taskengine.model import JsonObject
from taskengine.times import parse_time

Show = Callable[[JsonObject], None]

STYLES = {"completed": "green", "failed": "red", "cancelled": "red", "working": "cyan"}
WIDTH = 22  # characters of a task's name
UNTOLD = ("waiting", "queued")  # states that get no line


@contextmanager
def shown_jobs(console: Console) -> Iterator[Show]:
    """What to hand each new look at a job to."""
    if not console.is_terminal:
        yield LogLines(console).show
        return
    with Progress(
        TextColumn(f"  {{task.description:<{WIDTH}}}", markup=False),
        BarColumn(30),
        TextColumn("{task.fields[state]}", markup=False),
        console=console,
    ) as progress:
        yield Bars(progress).show


@dataclass(slots=True)
class LogLines:
    """A line for each state that a task is seen in."""

    console: Console
    seen: dict[int, str] = field(default_factory=dict)

    def show(self, job: JsonObject) -> None:
        for task in job["tasks"]:
            if self.seen.get(task["id"]) != task["state"] and task["state"] not in UNTOLD:
                line = Text(f"  {task['name']:<{WIDTH}} ")
                line.append(state_of(task), STYLES.get(task["state"], "dim"))
                self.console.print(line, soft_wrap=True)
            self.seen[task["id"]] = task["state"]


@dataclass(slots=True)
class Bars:
    """A bar for each task."""

    progress: Progress
    bars: dict[int, TaskID] = field(default_factory=dict)

    def show(self, job: JsonObject) -> None:
        for task in job["tasks"]:
            if task["id"] not in self.bars:
                bar = self.progress.add_task(task["name"], total=100, state="")
                self.bars[task["id"]] = bar
            done = 100 if task["state"] == "completed" else task["progress"]
            self.progress.update(self.bars[task["id"]], completed=done, state=state_of(task))


def state_of(task: JsonObject) -> str:
    """A task's state, with how long it took and why it failed."""
    words = [task["state"]]
    if task["started_at"] and task["ended_at"]:
        taken = parse_time(task["ended_at"]) - parse_time(task["started_at"])
        words.append(f"{taken.total_seconds():.1f} s")
    if task["error"]:
        words.append(str(task["error"]).splitlines()[0])
    return "  ".join(words)
