"""Defects that tests of the suites plant, to see them noticed."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from taskengine.model import JobState
from taskengine.workflows.plan import NextStep, WaitingTask, following


def following_one(
    ended: Collection[int], waiting: Iterable[WaitingTask], job: JobState
) -> list[NextStep]:
    """Siblings that end together count as one (rule 11)."""
    return following(sorted(ended)[:1], waiting, job)
