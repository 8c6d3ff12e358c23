"""The dref MP4: one `moov` for the tracks of an asset, whose samples lie in the asset's own files.

It holds no media: each track has a data reference, a URL relative to the file itself, and the
places of its samples in the file that is referred to (ISO/IEC 14496-12, 8.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

from taskengine.media.boxes import HANDLERS, box
from taskengine.media.fragments import Header, Samples, read_file_header, read_samples
from taskengine.media.movie import FILE_TYPE, MovieTrack, movie
from taskengine.media.tracks import Track


def write_dref(folder: Path, tracks: Sequence[Track], target: Path) -> None:
    """Write it for tracks whose `file` is a clear, fragmented MP4 in the folder; captions are left
    out. Blocking. Raises ValueError for a file that is none."""
    found = [(track, *_read(folder, track)) for track in tracks if track.type in HANDLERS]
    _, header, samples = found[0]
    zero = Fraction(min(samples.shown, default=0), header.scale)
    written = [_written(*one, zero) for one in found]
    target.write_bytes(FILE_TYPE + movie(written) + box(b"free"))


def _read(folder: Path, track: Track) -> tuple[Header, Samples]:
    path = folder / track.file
    header = read_file_header(path, HANDLERS[track.type])
    return header, read_samples(path, header)


def _written(track: Track, header: Header, samples: Samples, zero: Fraction) -> MovieTrack:
    """`zero` is the time, in seconds, that the whole begins with."""
    made = MovieTrack(HANDLERS[track.type], header.scale, header.description)
    made.width, made.height, made.language = track.width, track.height, track.language
    made.references = [quote(track.file)]
    made.sizes, made.lengths, made.keys = samples.sizes, samples.lengths, samples.keys
    offsets = [shown - at for at, shown in zip(samples.decoded, samples.shown, strict=True)]
    delay = max(0, -min(offsets, default=0))
    made.offsets.extend(offset + delay for offset in offsets)
    begins = samples.decoded[0] - round(zero * header.scale) if len(samples) else 0
    made.hidden = max(0, delay - begins)
    made.duration = round(track.duration * header.scale)
    made.chunks = list(_chunks(samples))
    return made


def _chunks(samples: Samples) -> list[tuple[int, int, int]]:
    """Neighbouring samples together."""
    found: list[tuple[int, int, int]] = []
    end = -1
    for place, size in zip(samples.places, samples.sizes, strict=True):
        if place == end:
            start, number, reference = found[-1]
            found[-1] = start, number + 1, reference
        else:
            found.append((place, 1, 1))
        end = place + size
    return found
