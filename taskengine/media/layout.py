"""What the samples of an MP4's track are like, where players and the packager mind."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from taskengine.media.boxes import inner
from taskengine.media.fragments import Header, Samples
from taskengine.media.parameter_sets import AVC, PICTURE_ENTRY
from taskengine.media.tables import read_track
from taskengine.media.tracks import TrackType

PRIMING: Final = 0.1  # seconds; encoders of audio begin with less, which decoders drop
ROUNDING: Final = 0.005  # seconds by which edit lists miss the first picture
HEAD: Final = 64 << 10  # bytes of a picture in which its first slice begins
SLICES: Final = frozenset(range(1, 6))  # types of NAL units
IDR: Final = 5


@dataclass(frozen=True, slots=True)
class Layout:
    """`is_trimmed`: an edit list hides its beginning, which the packager does not take.

    `is_open`: pictures after a keyframe need those before it, so that no player can begin there
    (ISO/IEC 23009-1, 4.5.2: it is no access point of type 1). `longest` is the longest time from
    one keyframe to the next, seconds.
    """

    is_trimmed: bool = False
    is_open: bool = False
    is_negative: bool = False  # some are shown before they are decoded
    entry: str = ""  # the type of its sample entry
    longest: float = 0.0


PLAIN: Final = Layout()  # of what is not looked into


def layout_of(path: Path, number: int, kind: TrackType) -> Layout:
    """Of the track at a place in an MP4. What cannot be read counts as trimmed: it is decoded.
    Blocking."""
    try:
        header, samples = read_track(path, number)
    except ValueError:
        return Layout(is_trimmed=True)
    first = min(samples.shown, default=0) / header.scale
    if kind == "audio":
        return Layout(first < -PRIMING, entry=header.entry.decode("latin-1"))
    return Layout(
        first < -ROUNDING,
        _is_open(samples) or not _begins_with_idr(path, header, samples),
        any(shown < at for at, shown in zip(samples.decoded, samples.shown, strict=True)),
        header.entry.decode("latin-1"),
        _longest(header, samples),
    )


def _is_open(samples: Samples) -> bool:
    """Whether a picture that is decoded after a keyframe is shown before it."""
    key = None
    for shown, is_key in zip(samples.shown, samples.keys, strict=True):
        if is_key:
            key = shown
        elif key is not None and shown < key:
            return True
    return False


def _longest(header: Header, samples: Samples) -> float:
    keys = array("q", (t for t, k in zip(samples.decoded, samples.keys, strict=True) if k))
    ends = [*keys[1:], samples.decoded[-1] + samples.lengths[-1] if samples else 0]
    return max((end - at for at, end in zip(keys, ends, strict=True)), default=0) / header.scale


def _begins_with_idr(path: Path, header: Header, samples: Samples) -> bool:
    """Whether all keyframes of H.264 are IDR pictures: others may be marked as well."""
    found = inner(header.description, "avcC", PICTURE_ENTRY) if header.entry in AVC else None
    if found is None:
        return True
    length = (header.description[found[0] + 4] & 3) + 1
    with path.open("rb") as file:
        rows = zip(samples.places, samples.sizes, samples.keys, strict=True)
        return all(_is_idr(file, place, size, length) for place, size, is_key in rows if is_key)


def _is_idr(file: BinaryIO, place: int, size: int, length: int) -> bool:
    file.seek(place)
    data = file.read(min(size, HEAD))
    at = 0
    while at + length < len(data):
        kind = data[at + length] & 31
        if kind in SLICES:
            return kind == IDR
        at += length + int.from_bytes(data[at : at + length])
    return True  # what cannot be seen here is not held against it
