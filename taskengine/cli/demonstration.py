"""`taskengine demo`."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option(
    "--exit", "ends", is_flag=True, help="Exit when the demo is done, instead of staying up."
)
@click.option("--film", metavar="FILE", type=FILE, help="A film to use; generated if not given.")
@click.option("--data-dir", metavar="FOLDER", default="var", show_default=True, type=FOLDER,
              help="Servers, films and results are in its subfolder `demo`.")  # fmt: skip
def demo(ends: bool, film: Path | None, data_dir: Path) -> None:
    """Run real jobs on embedded servers: package a film, switch DRM on, capture a live stream.

    Exits with 0 if the jobs completed, their results play and all callbacks arrived.
    """
    import trio

    from taskengine.demo import show

    data = data_dir.absolute() / "demo"
    trio.run(lambda: show(data, film and film.absolute(), stay=not ends))
