"""Whether a segment's file is whole: its boxes end where it does, its packets are in step."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

from taskengine.capture.model import FRAGMENTS, Form
from taskengine.media.boxes import file_boxes
from taskengine.media.transport import PACKET

SYNC: Final = 0x47
SPOT_CHECKS: Final = 64
MAX_BOXES: Final = 50_000  # of the top level
IMAGES: Final = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG\r\n\x1a\n": b"IEND"}  # beginning and end
IMAGE_END: Final = 1024  # bytes in which the end of an image is looked for


def is_whole(path: Path, form: Form) -> str:
    """Why it is not; empty if it is. Blocking."""
    size = path.stat().st_size
    if size == 0:
        return "an empty file"
    with path.open("rb") as file:
        if form in FRAGMENTS:
            return _boxes(file, size)
        if form == "ts":
            return _packets(file, size)
        if form == "aac" and not _is_sound(file.read(3)):
            return "it is no packed audio"
        if form == "image":
            return _image(file, size)
        if form == "vtt" and not file.read(16).lstrip(b"\xef\xbb\xbf").startswith(b"WEBVTT"):
            return "it is no WebVTT"
    return ""


def _is_sound(head: bytes) -> bool:
    """A tag of ID3, or a frame of AAC, MP3 or AC-3."""
    frame = int.from_bytes(head[:2])
    return head == b"ID3" or frame & 0xFFE0 == 0xFFE0 or frame == 0x0B77


def _image(file: BinaryIO, size: int) -> str:
    """JPEG and PNG, which end with a mark; fillers may follow."""
    head = file.read(8)
    end = next((end for begin, end in IMAGES.items() if head.startswith(begin)), None)
    if end is None:
        return "it is neither a JPEG nor a PNG image"
    file.seek(max(0, size - IMAGE_END))
    return "" if end in file.read() else "an image that is cut"


def _boxes(file: BinaryIO, size: int) -> str:
    """The boxes of the top level, by their heads alone."""
    kinds = set()
    try:
        for number, (kind, *_) in enumerate(file_boxes(file, size)):
            if number == MAX_BOXES:
                return "it has too many boxes"
            kinds.add(kind)
    except ValueError as error:
        return str(error)
    if b"mdat" not in kinds or not kinds & {b"moof", b"moov"}:
        return "it holds no media"
    return ""


def _packets(file: BinaryIO, size: int) -> str:
    if size % PACKET:
        return "its last packet is cut"
    number = size // PACKET
    for place in range(0, number, max(1, number // SPOT_CHECKS)):
        file.seek(place * PACKET)
        if file.read(1) != bytes([SYNC]):
            return "its packets are out of step"
    return ""
