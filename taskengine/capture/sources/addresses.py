"""Addresses that a manifest names: bounded, each and all together. A long base in front of each
segment's name makes gigabytes of a small manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from taskengine.capture.model import SourceRefused

MAX_ADDRESS: Final = 8_000  # characters; servers take hardly more
MAX_IN_ALL: Final = 100_000_000  # characters of all addresses of one reading


@dataclass(slots=True)
class Addresses:
    """Those of one reading of a manifest."""

    _number: int = 0  # of characters

    def checked(self, address: str, limit: int = MAX_ADDRESS) -> str:
        """The address itself. Raises SourceRefused."""
        self._number += len(address)
        if len(address) > limit:
            raise SourceRefused("an address of it is too long")
        if self._number > MAX_IN_ALL:
            raise SourceRefused(f"its addresses have more than {MAX_IN_ALL} characters in all")
        return address
