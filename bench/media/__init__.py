"""What a media job costs beside the bare command lines that do the same work."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from bench.options import keeping, writing


@click.command()
@click.option("--quick", is_flag=True, help="20 s and 200 s, once each, and a short encode.")
@click.option("--seconds", multiple=True, type=click.IntRange(20, 7200),
              help="Length of a film that is packaged; may be repeated.  [200, 2400]")  # fmt: skip
@click.option("--encode", type=click.IntRange(0, 7200),
              help="Length of the film that is encoded; 0 for none.  [300]")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1, 20), help="How often each is done.  [3]")
@keeping
@writing("docs/media-speed.md")
def command(
    quick: bool,
    seconds: tuple[int, ...],
    encode: int | None,
    rounds: int | None,
    keep: Path | None,
    page: Path | None,
) -> None:
    """Package ready-made renditions of 1080 lines and below as HLS and DASH, and encode a ladder.

    By jobs of an engine, and by the packager and ffmpeg alone over the same files, in turns.
    Takes some minutes and 3 GB of disk. Each result is checked: the number of pictures and of
    packets of sound in each track, and how many bytes there are.
    """
    import trio

    from bench.media.run import Wanted, run
    from bench.pages import write

    lengths, encoded, often = ((20, 200), 20, 1) if quick else ((200, 2400), 300, 3)
    wanted = Wanted(seconds or lengths, encoded if encode is None else encode, rounds or often)
    with tempfile.TemporaryDirectory(prefix="taskengine-bench-") as made:
        folder = keep or Path(made)
        table = trio.run(run, folder.absolute(), wanted, lambda text: click.echo(text, err=True))
    click.echo(table)
    if page is not None:
        write(page, table)
