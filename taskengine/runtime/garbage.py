"""How often Python looks for cycles of objects that nobody has any more."""

from __future__ import annotations

import gc

COLLECTIONS = (20_000, 20, 20)  # by default each of a document's values is looked at many times


def collect_less() -> None:
    """To be called once all that stays is there: it is never looked at again."""
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)
