"""Options that several measurements have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

keeping = click.option(
    "--keep", type=click.Path(path_type=Path), help="A folder to work in, which stays."
)


def writing(page: str) -> Callable[[Command], Command]:
    """`page`: whose figures the measurement writes."""
    return click.option(
        "--write",
        "page",
        type=click.Path(path_type=Path, exists=True),
        help=f"A page whose figures are replaced, as {page}.",
    )
