"""How large a request's body may be."""

from __future__ import annotations

BATCH_PATH = "/jobs/batch"
SMALL_BODY = 64 << 10  # bytes; of all that is no submission, and of what is read for a name
MAX_BODY = 1 << 20  # of a submission
MAX_BATCH_BODY = 16 * MAX_BODY
LIMITS = {"/job": MAX_BODY, "/jobs": MAX_BODY, BATCH_PATH: MAX_BATCH_BODY}
BODILESS = ("GET", "HEAD", "DELETE", "OPTIONS")  # methods of which no body is looked at


def max_body(path: str) -> int:
    """How many bytes a request may send to a path."""
    return LIMITS.get(path.rstrip("/"), SMALL_BODY)


def told_size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
