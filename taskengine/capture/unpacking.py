"""Bodies that come packed although nobody asked for it: unpacked piece by piece, within a bound."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from taskengine.capture.model import SourceAway, SourceRefused

MAX_MEMBERS: Final = 1_000
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
        self._members = 1

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """What a piece of the body becomes, a little at a time. Raises SourceAway."""
        if self._zlib is None:
            yield packed
            return
        while packed:
            if self._zlib.eof:
                self._zlib = self._next_member()
            try:
                yield self._zlib.decompress(packed, PIECE)
            except zlib.error:
                raise SourceAway("its packed body is damaged") from None
            packed = self._zlib.unused_data or self._zlib.unconsumed_tail

    def _next_member(self) -> zlib._Decompress:
        """They may follow each other (RFC 1952 2.2)."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise SourceAway(f"its packed body has more than {MAX_MEMBERS} members")
        return zlib.decompressobj(EITHER)

    def finish(self) -> None:
        """Raises SourceAway if the body is cut."""
        if self._zlib is not None and not self._zlib.eof:
            raise SourceAway("its packed body is cut")
