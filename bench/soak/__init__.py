"""Whether anything grows: an hour of steady load, a snapshot held for ten minutes of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from bench.options import writing


@click.command()
@click.option("--minutes", default=60.0, show_default=True, type=click.FloatRange(min=0.5))
@click.option("--rate", default=100, show_default=True, type=click.IntRange(1), help="Jobs/s.")
@click.option("--hold", default=10.0, show_default=True, type=click.FloatRange(min=0.0),
              help="Minutes of a held snapshot, from a third of the time on.")  # fmt: skip
@click.option("--picture", type=click.Path(path_type=Path), help="An SVG file for the curves.")
@writing("docs/soak.md")
def command(
    minutes: float, rate: int, hold: float, picture: Path | None, page: Path | None
) -> None:
    """Load one engine steadily, and look at rates, dead rows, indexes and memory meanwhile.

    Somebody else's `repeatable read` transaction is open for a part of the time: what is dead
    cannot be cleaned up then.
    """
    import trio

    from bench.pages import write
    from bench.soak.run import run, svg, table

    with tempfile.TemporaryDirectory(prefix="taskengine-bench-") as folder:
        samples = trio.run(run, Path(folder), minutes, rate, hold, lambda line: click.echo(line))
    told = table(samples)
    click.echo(told)
    if picture is not None:
        picture.write_text(svg(samples), "utf-8")
    if page is not None:
        write(page, told)
