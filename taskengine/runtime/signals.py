"""The signals that an engine follows. Standard library alone: it is there before all the rest."""

from __future__ import annotations

import signal

HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
UNHEEDED = (signal.SIGUSR1, signal.SIGUSR2)  # of habits from other programs; they would kill


def hold_signals() -> None:
    """Keep what comes until the engine follows signals: it would die of them before."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (*HEEDED, *UNHEEDED))


def release_signals() -> None:
    """Let come what was held, and what comes from now on."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*HEEDED, *UNHEEDED))
