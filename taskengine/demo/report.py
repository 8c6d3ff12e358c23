"""What the demonstration prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from taskengine.demo.engine import RunningEngine
from taskengine.demo.film import Film
from taskengine.demo.playback import Played
from taskengine.demo.receiver import Receiver
from taskengine.media.sample import BITS
from taskengine.model import JsonObject

FIRST_LINES = 10
MAX_LINE = 140  # characters of a log line


def print_start(
    console: Console, engine: RunningEngine, receiver: Receiver, film: Film, live: str
) -> None:
    console.print(f"Task Engine listens on {engine.url}", soft_wrap=True)
    console.print(f"  film       {film.path}, {film.duration:.1f} s", soft_wrap=True)
    console.print(f"  live       {live}", soft_wrap=True)
    console.print(f"  callbacks  {' and '.join(receiver.urls)}", soft_wrap=True)


def print_heading(console: Console, text: str) -> None:
    console.print(f"\n{text}", style="bold", soft_wrap=True)


def print_played(
    console: Console, title: str, played: Sequence[Played], *, locked_out: bool = False
) -> None:
    """`locked_out`: nothing of it should play."""
    print_heading(console, title)
    width = max((len(track.name) for track in played), default=0)
    for track in played:
        good = track.seconds is None if locked_out else track.whole
        told = "does not play" if track.seconds is None else f"{track.seconds:.2f} s"
        mark = "ok " if good else "BAD"
        console.print(f"  {mark} {track.name:<{width}}  {told}", soft_wrap=True)


def print_pictures(console: Console, numbers: Sequence[int], wanted: int) -> None:
    """Whether a capture has each picture once, by the numbers that they bear."""
    if is_whole(numbers, wanted):
        told = f"ok  pictures {numbers[0]} to {numbers[-1]}, each once"
    else:
        told = f"BAD {len(numbers)} pictures, {wanted} in a row expected"
    console.print(f"  {told}", soft_wrap=True)


def is_whole(numbers: Sequence[int], wanted: int) -> bool:
    """So many, one after another; the code that bears them begins anew after 65,535."""
    first = numbers[0] if numbers else 0
    return list(numbers) == [(first + place) % (1 << BITS) for place in range(wanted)]


def print_files(console: Console, folder: Path) -> None:
    print_heading(console, f"Files in {folder}")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            size = _size(path.stat().st_size)
            console.print(f"  {size:>9}  {path.relative_to(folder)}", soft_wrap=True)


def print_callbacks(
    console: Console, job: JsonObject, path: str, number: int, wanted: int, signed: int
) -> None:
    text = f"{number} of {wanted} arrived, {signed} with a valid signature"
    console.print(f"  job {job['id']} {job['workflow']} to {path}: {text}", soft_wrap=True)


def print_log(console: Console, job: JsonObject, log: Sequence[JsonObject]) -> None:
    lines = log_lines(log)
    print_heading(console, f"Log of job {job['id']}")
    for line in lines[:FIRST_LINES]:
        console.print(f"  {line}", soft_wrap=True)
    if more := lines[FIRST_LINES:]:
        console.print(f"  … {len(more)} lines more", soft_wrap=True)


def log_lines(log: Sequence[JsonObject]) -> list[str]:
    """Log entries as text, long ones cut."""
    lines = [
        f"{entry['created_at'][11:]} {entry['severity_description']:<5} {entry['progname']}: "
        + " ".join(entry["message"].split())
        for entry in log
    ]
    return [line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…" for line in lines]


def print_end(
    console: Console, engine: RunningEngine, jobs: Sequence[JsonObject], site: str, *, stay: bool
) -> None:
    print_heading(console, "All jobs completed, the results play, all callbacks arrived.")
    if not stay:
        return
    console.print(f"  {engine.url}/ui  shows all of it; sign in with", soft_wrap=True)
    console.print(f"  client: {engine.client}  api-key: {engine.api_key}", soft_wrap=True)
    for job in jobs:
        console.print(f"  {engine.url}/ui/jobs/{job['id']}  {job['workflow']}", soft_wrap=True)
    console.print(f"  {site}  plays the results in a browser", soft_wrap=True)
    console.print(f"  {engine.url}/docs  has the REST API", soft_wrap=True)
    console.print("The engine stays up; Ctrl+C ends it.")


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
