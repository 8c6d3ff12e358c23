"""How fast an engine is, beside what people would pick instead."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import click

from bench.options import writing


@click.command()
@click.option("--quick", is_flag=True, help="One short round, within five minutes.")
@click.option("--rounds", type=click.IntRange(1), help="3, or 1 with --quick.")
@click.option("--json", "rows", type=click.Path(path_type=Path), help="A file for the figures.")
@writing("docs/speed.md")
@click.option("--ratios", type=click.Path(path_type=Path, exists=True),
              help="A page for the ratios alone, as README.md.")  # fmt: skip
@click.option("--database", help="Instead of an embedded PostgreSQL: one to make databases in.")
@click.option("--peers/--no-peers", "with_peers", default=True, show_default=True)
def command(
    quick: bool,
    rounds: int | None,
    rows: Path | None,
    page: Path | None,
    ratios: Path | None,
    database: str | None,
    with_peers: bool,
) -> None:
    """Measure the engine and its peers in turns, on one PostgreSQL with durable commits.

    The peers are installed from PyPI into environments of their own, in `var/bench`, at the first
    time. States, log lines and callbacks are counted after each backlog. Clients and servers share
    the machine.
    """
    import trio

    from bench.pages import write
    from bench.speed.ours import QUICK, Sizes
    from bench.speed.peers import PEERS
    from bench.speed.run import run
    from taskengine.configuration import HOME

    started = time.monotonic()

    def told(text: str) -> None:
        click.echo(f"{time.monotonic() - started:6.0f} s  {text}", err=True)

    sizes, peers = QUICK if quick else Sizes(), PEERS if with_peers else ()
    rounds = rounds or (1 if quick else 3)
    with tempfile.TemporaryDirectory(prefix="taskengine-bench-") as folder:
        environments = HOME / "var" / "bench"
        given = (Path(folder), environments, sizes, rounds, told, peers, database)
        report = trio.run(run, *given)
    click.echo(report.table)
    if rows is not None:
        rows.write_text(json.dumps([row.content for row in report.rows], indent=1) + "\n", "utf-8")
    if page is not None:
        write(page, report.table)
    if ratios is not None:
        write(ratios, report.ratios)
