"""How fast a backlog of jobs is worked off: one task each that does nothing, with full log."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click


@click.command()
@click.option("--jobs", default=20_000, show_default=True, type=click.IntRange(100))
@click.option("--workers", default=9, show_default=True, type=click.IntRange(1))
def command(jobs: int, workers: int) -> None:
    """Submit a backlog while nothing is admitted, then open `max_jobs` to 1,000 and wait.

    Every job is accepted, admitted, claimed, run and ended, with all its log lines, on the
    embedded PostgreSQL with durable commits.
    """
    import trio

    from bench.drain.run import run

    with tempfile.TemporaryDirectory(prefix="taskengine-bench-") as folder:
        click.echo(trio.run(run, Path(folder), jobs, workers).line)
