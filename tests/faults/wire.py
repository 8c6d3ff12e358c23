"""As much of PostgreSQL's wire protocol as a proxy has to read and to say."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
READY = b"Z\0\0\0\5I"  # for the next query, in no transaction


@dataclass(frozen=True, slots=True)
class Message:
    kind: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.kind + struct.pack("!I", len(self.body) + 4) + self.body

    @property
    def ends_transaction(self) -> bool:
        """Whether it is a ReadyForQuery in no transaction."""
        return self.kind == b"Z" and self.body == b"I"


async def read_message(reader: asyncio.StreamReader) -> Message:
    head = await reader.readexactly(5)
    size = struct.unpack("!I", head[1:])[0]
    return Message(head[:1], await reader.readexactly(size - 4))


async def read_startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The first packet that says who comes; encryption is declined."""
    while True:
        head = await reader.readexactly(4)
        packet = head + await reader.readexactly(struct.unpack("!I", head)[0] - 4)
        if struct.unpack("!I", packet[4:8])[0] not in (SSL_REQUEST, GSS_REQUEST):
            return packet
        writer.write(b"N")


def is_cancel(startup: bytes) -> bool:
    return struct.unpack("!I", startup[4:8])[0] == CANCEL_REQUEST


def error(code: str, message: str, severity: str = "ERROR") -> bytes:
    """An ErrorResponse."""
    fields = (("S", severity), ("V", severity), ("C", code), ("M", message))
    text = b"".join(f"{field}{value}".encode() + b"\0" for field, value in fields) + b"\0"
    return Message(b"E", text).raw
