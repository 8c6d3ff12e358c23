"""`taskengine bench`: the measurements of a checkout, each a package in its folder `bench`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

DEFAULT = "speed"


class Benches(click.Group):
    """Finds them by their folders."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from taskengine.configuration import HOME

        return sorted(path.parent.name for path in (HOME / "bench").glob("*/__init__.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from taskengine.configuration import HOME

        if cmd_name not in self.list_commands(ctx):
            return None
        if str(HOME) not in sys.path:
            sys.path.insert(0, str(HOME))
        found: click.Command = import_module(f"bench.{cmd_name}").command
        return found


@click.group(cls=Benches, invoke_without_command=True)
@click.option("--quick", is_flag=True, help="The short form of `speed`, within five minutes.")
@click.option(
    "--json", "rows", type=click.Path(path_type=Path), help="A file for the figures of `speed`."
)
@click.pass_context
def bench(ctx: click.Context, quick: bool, rows: Path | None) -> None:
    """Run benchmarks on this machine; without a name, `speed`: the engine beside its peers.

    The benchmarks are part of a checkout, not of an installed package.
    """
    group = ctx.command
    assert isinstance(group, Benches)
    command = group.get_command(ctx, DEFAULT)
    if command is None:
        raise click.ClickException("no benchmarks found: they are part of a checkout")
    if ctx.invoked_subcommand is None:
        ctx.invoke(command, quick=quick, rows=rows)
    elif quick or rows is not None:
        raise click.UsageError(f"--quick and --json go behind the name, if {DEFAULT} is meant")
