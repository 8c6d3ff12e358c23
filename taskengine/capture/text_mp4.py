"""Captions in MP4 fragments (ISO/IEC 14496-30): WebVTT samples, and TTML documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from taskengine.capture.cues import Cue
from taskengine.capture.model import Time
from taskengine.media.boxes import boxes, inner
from taskengine.media.fragments import loose_header, samples_in

MAX_SAMPLES: Final = 100_000  # of a segment


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of a text track, with its times on the track's own clock, in seconds."""

    start: Time
    duration: Time
    data: bytes


def samples(init: bytes, segment: bytes) -> list[Sample]:
    """Of the track of the first fragment. Raises ValueError for what is no fragment of a track."""
    head = inner(segment, "moof/traf/tfhd")
    if head is None:
        return []
    header = loose_header(init, int.from_bytes(segment[head[0] + 4 : head[0] + 8]))
    found = samples_in(segment, header)
    if len(found) > MAX_SAMPLES:
        raise ValueError(f"more than {MAX_SAMPLES} samples of text")
    rows = zip(found.decoded, found.lengths, found.places, found.sizes, strict=True)
    return [
        Sample(
            Fraction(time, header.scale),
            Fraction(length, header.scale),
            segment[place : place + size],
        )
        for time, length, place, size in rows
    ]


def webvtt_cues(found: list[Sample]) -> Iterator[Cue]:
    """Of samples of `wvtt`; a sample without a cue is a pause."""
    for sample in found:
        for kind, start, end in boxes(sample.data):
            if kind == b"vttc":
                parts = {k: sample.data[a:b] for k, a, b in boxes(sample.data, start, end)}
                text = parts.get(b"payl", b"").decode("utf-8", "replace")
                settings = parts.get(b"sttg", b"").decode("utf-8", "replace")
                if text:
                    yield Cue(sample.start, sample.start + sample.duration, text, settings)
