"""Lists for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from taskengine.model import Json


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: Json) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_warnings(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"warning: {plain(warning)}", err=True)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns that fit a terminal, or as wide as their content where there is none."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    cells = [[plain(cell) for cell in row] for row in rows]
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        _print_columns([[*titles], *cells])
        return
    table = Table(*titles, box=SIMPLE_HEAD, pad_edge=False)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _print_columns(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def plain(cell: object) -> str:
    """Text without what a terminal would obey."""
    text = "" if cell is None else str(cell)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
