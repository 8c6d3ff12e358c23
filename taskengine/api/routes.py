"""What a resource file hands to the app: its paths, who answers them, and their description."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from quart import Response

from taskengine.api.openapi.operation import Operation
from taskengine.api.query import whole
from taskengine.model import NotFound

Handler = Callable[..., Awaitable[Response]]


class Route(NamedTuple):
    """`about` is its part of /openapi.json; None alone for pages that people see."""

    method: str
    path: str
    handler: Handler
    about: Operation | None = None


def job_number(text: str) -> int:
    """The id in a path. Raises BadInput unless it is a number."""
    return number_in(text, "job")


def number_in(text: str, kind: str) -> int:
    """The same for other things that have one."""
    if text.isascii() and text.isdigit() and len(text) > 18:
        raise NotFound(f"there is no {kind} {text[:40]}")
    return whole(f"{kind} id", text)


def no_job(job_id: object) -> NotFound:
    return NotFound(f"there is no job {str(job_id)[:40]}")
