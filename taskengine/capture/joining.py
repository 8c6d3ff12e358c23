"""Samples of many files as one track of one MP4, copied bit by bit.

Where parts come from different encoders each keyframe gets its parameter sets before it, so that a
decoder is right wherever it begins.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Final

from taskengine.capture.model import Time
from taskengine.media.cc_data import PacketPlaces
from taskengine.media.copying import Copied
from taskengine.media.fragmenting import write_fragments
from taskengine.media.fragments import Header, Samples, read_samples
from taskengine.media.movie import MovieTrack
from taskengine.media.parameter_sets import parameter_sets
from taskengine.media.probe import OutputWrong
from taskengine.model import PermanentFailure

MAX_SAMPLES: Final = 10_000_000  # of a track
MAX_RANGES: Final = 1_000_000  # that are copied: of each, some hundred bytes are held


@dataclass(frozen=True, slots=True)
class Taken:
    """Samples of files that are shown in `[low, high)`, ticks, for `length` seconds in all."""

    files: tuple[Path, ...]
    header: Header
    length: Time
    number: int  # of samples
    low: int | None = None
    high: int | None = None
    is_copied: bool = True  # from the source, not encoded anew
    is_kept: bool = True  # the files are not its own


@dataclass(frozen=True, slots=True)
class Joined:
    """A track as it was made: when keyframes are shown, in seconds, where its packets lie, and how
    many there are."""

    keys: Sequence[Time]
    packets: PacketPlaces
    number: int  # of pictures


@dataclass(slots=True)
class Joiner:
    """Puts parts one after the other. Blocking. What a track is given to hide is decoded only."""

    track: MovieTrack
    copied: list[Copied] = field(default_factory=list)
    zero: Time = Fraction(0)  # seconds of the first time that is shown
    _at: Time = Fraction(0)
    _last: int | None = None  # decoding time of the last sample
    _delay: int = 0  # ticks by which pictures have to be shown later than they are decoded
    _places: Sequence[int] = ()  # of the samples in the target

    def join(self, taken: Sequence[Taken], target: Path) -> int:
        """The number of samples. Raises OutputWrong for parts that say what is not there, and
        PermanentFailure for too many."""
        sets = [parameter_sets(one.header.description) for one in taken]
        is_mixed = len(set(sets)) > 1
        for one, own in zip(taken, sets, strict=True):
            self._add(one, own if is_mixed else b"")
        self._close()
        zero = round(self.zero * self.track.scale)
        self._places = write_fragments(self.track, self.copied, zero, target)
        return len(self.track.sizes)

    def packets(self) -> PacketPlaces:
        """Where each sample lies in the target, and when it is shown after the first one."""
        track = self.track
        rows = zip(accumulate(track.lengths, initial=0), track.offsets, strict=False)
        times = array("q", (at + offset - track.hidden for at, offset in rows))
        return PacketPlaces(Fraction(1, track.scale), times, self._places, track.sizes)

    def key_times(self, found: PacketPlaces) -> list[Time]:
        """When keyframes are shown, seconds."""
        rows = zip(found.times, self.track.keys, strict=True)
        return [at * found.base for at, is_key in rows if is_key]

    def _add(self, one: Taken, sets: bytes) -> None:
        ratio = Fraction(self.track.scale, one.header.scale)
        begin = round(self._at * self.track.scale)
        first: tuple[int, int] | None = None  # decoding and showing time of its own
        for path in one.files:
            samples = read_samples(path, one.header)
            chosen = _chosen(samples, one.low, one.high)
            if not chosen:
                continue
            if first is None:
                first = samples.decoded[chosen[0]], min(samples.shown[n] for n in chosen)
            self._times(samples, chosen, first, begin, ratio)
            self.copied += _ranges(path, samples, chosen, sets)
            self.track.sizes.extend(samples.sizes[n] + len(sets) * samples.keys[n] for n in chosen)
            if len(self.track.sizes) > MAX_SAMPLES or len(self.copied) > MAX_RANGES:
                most = f"{MAX_SAMPLES} samples, or in more than {MAX_RANGES} parts"
                raise PermanentFailure(f"a track of more than {most}")
        self._at += one.length

    def _times(
        self,
        samples: Samples,
        chosen: Sequence[int],
        first: tuple[int, int],
        begin: int,
        ratio: Fraction,
    ) -> None:
        track, is_same = self.track, ratio == 1
        for n in chosen:
            decoded, shown = samples.decoded[n] - first[0], samples.shown[n] - first[1]
            if not is_same:
                decoded, shown = round(decoded * ratio), round(shown * ratio)
            at = begin + decoded
            if self._last is not None:
                at = max(at, self._last + 1)
                track.lengths.append(at - self._last)
            self._last = at
            offset = begin + shown - at
            self._delay = max(self._delay, -offset)
            track.offsets.append(offset)
            track.keys.append(samples.keys[n])

    def _close(self) -> None:
        """The last sample lasts until the end; delays that no sample may go below."""
        if self._last is None:
            raise OutputWrong("there is nothing in what was cut")
        track = self.track
        total = round(self._at * track.scale)
        track.duration = total - track.hidden
        track.lengths.append(max(1, total - self._last))
        if self._delay:
            for place, offset in enumerate(track.offsets):
                track.offsets[place] = offset + self._delay
        track.hidden += self._delay


def _chosen(samples: Samples, low: int | None, high: int | None) -> Sequence[int]:
    """The places of those that are shown in `[low, high)`."""
    if not samples.shown:
        return ()
    least = min(samples.shown) if low is None else low
    most = max(samples.shown) + 1 if high is None else high
    if least <= min(samples.shown) and max(samples.shown) < most:
        return range(len(samples))
    return [n for n, at in enumerate(samples.shown) if least <= at < most]


def _ranges(path: Path, samples: Samples, chosen: Sequence[int], sets: bytes) -> Iterator[Copied]:
    """Neighbours together, parted where something is put before a keyframe."""
    begin, end, before = 0, 0, b""
    for n in chosen:
        place, size = samples.places[n], samples.sizes[n]
        own = sets if samples.keys[n] else b""
        if place != end or own:
            if end > begin:
                yield Copied(path, begin, end - begin, before)
            begin, before = place, own
        end = place + size
    if end > begin:
        yield Copied(path, begin, end - begin, before)
