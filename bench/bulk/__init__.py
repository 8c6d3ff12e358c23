"""Whether pages stay quick while a bulk operation changes very many jobs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from bench.options import writing

BOUND = 200.0  # milliseconds, within which 95 of 100 pages have to answer


@click.command()
@click.option("--jobs", default=100_000, show_default=True, type=click.IntRange(100))
@writing("docs/pages-speed.md")
def command(jobs: int, page: Path | None) -> None:
    """Let an operator pause that many queued jobs, and look at the pages meanwhile.

    Takes some minutes. Ends with 1 if a page took longer than 200 ms (p95).
    """
    import trio

    from bench.bulk.run import run, slow, table
    from bench.pages import write

    with tempfile.TemporaryDirectory(prefix="taskengine-bench-") as folder:
        figures = trio.run(run, Path(folder), jobs, lambda text: click.echo(text, err=True))
    click.echo(table(figures))
    if page is not None:
        write(page, table(figures))
    if found := slow(figures, BOUND):
        raise click.ClickException(f"these pages took longer than {BOUND:g} ms: {', '.join(found)}")
