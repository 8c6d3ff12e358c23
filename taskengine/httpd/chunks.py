"""How many chunks the body of a request may come in.

Each costs a turn of the loop, whatever is in it: a body of single bytes costs a thousand times as
much as the same in one piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import h11

from taskengine.httpd.answers import ConnectionRefused

CHUNKS = 4_096  # of a body; besides those that are
FAIR = 32  # bytes long on the average: a client that sends each value of its JSON by itself
TOO_MANY_CHUNKS = f"the body comes in too many small chunks: they have to have {FAIR} bytes or more"


@dataclass(slots=True)
class Chunks:
    """Of one request."""

    left: float = CHUNKS

    def count(self, data: h11.Data) -> None:
        """Take a piece of the body into account. Raises ConnectionRefused."""
        self.left += len(data.data) / FAIR - data.chunk_start
        if self.left < 0:
            raise ConnectionRefused(HTTPStatus.BAD_REQUEST, TOO_MANY_CHUNKS)
