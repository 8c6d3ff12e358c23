"""What a capture costs: an archive against `ffmpeg -c copy`, a live stream, many clips stitched."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from bench.options import keeping, writing


@click.command()
@click.option("--minutes", default=60.0, show_default=True, type=click.FloatRange(1),
              help="Length of the archive.")  # fmt: skip
@click.option("--live", "seconds", default=60, show_default=True, type=click.IntRange(10),
              help="Seconds of the live capture; 0 for none is --only archive.")  # fmt: skip
@click.option("--clips", default=500, show_default=True, type=click.IntRange(3, 500),
              help="How many are stitched.")  # fmt: skip
@click.option("--only", type=click.Choice(["archive", "live", "clips"]), multiple=True,
              help="One of the three; may be repeated.")  # fmt: skip
@click.option("--lines", default=1080, show_default=True, type=click.IntRange(144, 1080),
              help="Height of the best rendition.")  # fmt: skip
@keeping
@writing("docs/capture-speed.md")
def command(
    minutes: float,
    seconds: int,
    clips: int,
    only: tuple[str, ...],
    lines: int,
    keep: Path | None,
    page: Path | None,
) -> None:
    """Capture a made-up stream of two renditions and sound from an origin on this machine.

    Takes a few minutes and 10 GB of disk for an hour of 1080 lines. Each result is checked: every
    number of pictures and of samples, and what the pictures at its ends and joints say.
    """
    import trio

    from bench.capture.run import Wanted, run
    from bench.pages import write

    wanted = Wanted(minutes, seconds, clips, only or ("archive", "live", "clips"), lines)
    with tempfile.TemporaryDirectory(prefix="taskengine-bench-") as made:
        folder = keep or made
        table = trio.run(run, Path(folder), wanted, lambda text: click.echo(text, err=True))
    click.echo(table)
    if page is not None:
        write(page, table)
