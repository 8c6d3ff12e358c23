"""What a resource file hands to the app: its paths and who answers them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from quart import Response

from taskengine.api.query import whole
from taskengine.model import NotFound

Handler = Callable[..., Awaitable[Response]]


class Route(NamedTuple):
    method: str
    path: str
    handler: Handler


def job_number(text: str) -> int:
    """The id in a path. Raises BadInput unless it is a number."""
    if text.isascii() and text.isdigit() and len(text) > 18:
        raise no_job(text)
    return whole("job id", text)


def no_job(job_id: object) -> NotFound:
    return NotFound(f"there is no job {str(job_id)[:40]}")
