"""Bodies that come packed although nobody asked for it: unpacked piece by piece, within a bound."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from taskengine.capture.model import SourceAway, SourceRefused

PIECE: Final = 1 << 18  # bytes, unpacked
PLAIN: Final = frozenset({"", "identity"})
GZIP: Final = frozenset({"gzip", "x-gzip"})
EITHER: Final = 32 + zlib.MAX_WBITS  # with a head of gzip or of zlib


class Unpacker:
    """Of one body; `packing` is its Content-Encoding. Raises SourceRefused for one not known."""

    def __init__(self, packing: str) -> None:
        packing = packing.strip().lower()
        if packing not in PLAIN | GZIP:
            raise SourceRefused(f"a body packed with {packing[:40]!r}")
        self._zlib = zlib.decompressobj(EITHER) if packing in GZIP else None

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """What a piece of the body becomes, a little at a time. Raises SourceAway."""
        if self._zlib is None:
            yield packed
            return
        while packed and not self._zlib.eof:
            try:
                yield self._zlib.decompress(packed, PIECE)
            except zlib.error:
                raise SourceAway("its packed body is damaged") from None
            if self._zlib.unused_data:
                raise SourceAway("its packed body goes on behind its end")
            packed = self._zlib.unconsumed_tail

    def finish(self) -> None:
        """Raises SourceAway if the body is cut."""
        if self._zlib is not None and not self._zlib.eof:
            raise SourceAway("its packed body is cut")
