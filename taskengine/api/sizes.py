"""How large a request's body may be."""

from __future__ import annotations

import re

BATCH_PATH = "/jobs/batch"
SMALL_BODY = 64 << 10  # bytes; of all that is said of no job, and of what is read for a name
MAX_BODY = 1 << 20  # of a submission, or an update of a job
MAX_BATCH_BODY = 16 * MAX_BODY
BODILESS = ("GET", "HEAD", "DELETE", "OPTIONS")  # methods of which no body is looked at


def max_body(path: str) -> int:
    """How many bytes a request may send to a path."""
    path = path.rstrip("/")
    if path == BATCH_PATH:
        return MAX_BATCH_BODY
    return MAX_BODY if re.fullmatch("/jobs?(/[^/]*)?", path) else SMALL_BODY


def told_size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
