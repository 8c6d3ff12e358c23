"""Descriptors: as many as the system lets the process have, and what is kept for other uses."""

from __future__ import annotations

import errno
import resource

ENOUGH = 65_536  # more would make programs slow that close all there may be
RESERVE = 400  # for files, children, the database, receivers
LACKING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one, within reason; what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return ENOUGH if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def for_connections(limit: int) -> int:
    """How many of them connections may have."""
    return limit - min(RESERVE, limit // 2)


def is_lacking(error: BaseException) -> bool:
    """Whether the system had no descriptor, or no memory, to give: it may have some later."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_lacking, error.exceptions))
    return isinstance(error, OSError) and error.errno in LACKING
