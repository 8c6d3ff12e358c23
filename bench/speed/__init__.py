"""How fast an engine is: accepting jobs, working off a backlog, starting the one that just came."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click


@click.command()
@click.option("--jobs", default=20_000, show_default=True, type=click.IntRange(1_000))
@click.option("--workers", default=9, show_default=True, type=click.IntRange(1))
@click.option("--write", "page", type=click.Path(path_type=Path, exists=True),
              help="A page whose figures are replaced, as docs/speed.md.")  # fmt: skip
def command(jobs: int, workers: int, page: Path | None) -> None:
    """Time one engine on its embedded PostgreSQL, with durable commits and full logs.

    Takes about a minute on two cores. The client that asks runs on the same machine and takes its
    share of it.
    """
    import trio

    from bench.pages import write
    from bench.speed.run import run

    with tempfile.TemporaryDirectory(prefix="taskengine-bench-") as folder:
        figures = trio.run(run, Path(folder), jobs, workers)
    click.echo(figures.table)
    if page is not None:
        write(page, figures.table)
