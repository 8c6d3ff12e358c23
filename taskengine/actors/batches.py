"""Batches bounded by what they weigh: a few large records must not hold up all others (rule 17)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

MAX_BATCH_WEIGHT = 4 << 20  # characters of JSON and text in one transaction
ROW_WEIGHT = 400  # characters that take as long as a row of an index or two


def split_by_weight(
    items: Sequence[T], weight: Callable[[T], int], heaviest: int | None = None
) -> Iterator[Sequence[T]]:
    """The items in their order, cut where a part would become too heavy; one that is too heavy by
    itself is a part of its own."""
    limit = MAX_BATCH_WEIGHT if heaviest is None else heaviest
    first, carried = 0, 0
    for place, item in enumerate(items):
        weighs = weight(item)
        if carried + weighs > limit and place > first:
            yield items[first:place]
            first, carried = place, 0
        carried += weighs
    if items:
        yield items[first:]
