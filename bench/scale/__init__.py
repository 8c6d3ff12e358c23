"""Whether anything costs more on a database with many jobs (promises 9 and 10)."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from bench.options import writing

SMALL = 1_000


@click.command()
@click.option(
    "--jobs",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(2_000),
    help="Of history, and as many that wait.",
)
@click.option(
    "--samples", default=100, show_default=True, type=click.IntRange(5), help="Of each thing."
)
@writing("docs/scale.md")
def command(jobs: int, samples: int, page: Path | None) -> None:
    """Fill a database, measure every hot path at 1,000 jobs and at many, compare.

    Takes about 10 minutes and 10 GB with a million jobs on two cores, half a minute with 20,000.
    Ends with 1 if anything costs more on the large database.
    """
    import trio

    from bench.pages import write
    from bench.scale.run import run

    started = time.monotonic()

    def told(text: str) -> None:
        click.echo(f"{time.monotonic() - started:6.0f} s  {text}", err=True)

    with tempfile.TemporaryDirectory(prefix="taskengine-bench-") as folder:
        figures = trio.run(run, Path(folder), (SMALL, jobs), samples, told)
    click.echo(figures.table)
    if page is not None:
        write(page, figures.table)
    if found := figures.offenders:
        raise click.ClickException("it costs more with more jobs:\n" + "\n".join(found))
