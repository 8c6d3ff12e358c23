"""Sound that is copied packet by packet, and still begins and ends at a sample.

Packets have 1024 samples each. The first ones begin before the range: an edit list says how many
samples of theirs are only decoded; a decoder needs the packet before the first sample, too.
Decoders play all of the last packet, so the last two are encoded anew, with silence after the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from taskengine.capture.joining import Joiner, Taken
from taskengine.capture.model import Time
from taskengine.media.fragments import Header, read_file_header, read_samples
from taskengine.media.movie import MovieTrack

PACKET: Final = 1024  # samples
SLACK: Final = 2  # samples by which a packet's time may be rounded
ANEW: Final = 2  # packets at the end
WARM: Final = 6  # packets before them that the encoder is given


@dataclass(frozen=True, slots=True)
class SoundPlan:
    """Packets `[first, last)` of segments, of which the last ones are encoded anew."""

    files: tuple[Path, ...]
    header: Header
    rate: int
    first: int
    last: int
    hidden: int  # samples before the first that is heard
    number: int  # samples that are heard
    low: int  # ticks of the first packet
    high: int  # of the first that is encoded anew
    warm: Time  # seconds on the media's clock, from where the encoder is given samples
    given: int  # samples that it is given


def plan_sound(
    files: Sequence[Path], header: Header, start: Time, length: Time, rate: int
) -> SoundPlan | None:
    """To take so many seconds from `start` on the media's clock; None if packets are missing or do
    not follow each other. Blocking. Raises ValueError."""
    times = [time for path in files for time in read_samples(path, header).decoded]
    ticks = [round((time - times[0]) * rate / header.scale) for time in times]
    if any(abs(at - PACKET * number) > SLACK for number, at in enumerate(ticks)):
        return None
    number = round(length * rate)
    begin = round((start * header.scale - times[0]) * rate / header.scale)
    first, last = begin // PACKET - 1, -(-(begin + number) // PACKET)
    warm = last - ANEW - WARM
    if first < 0 or last > len(times) or warm < first:
        return None
    return SoundPlan(
        tuple(files),
        header,
        rate,
        first,
        last,
        begin - PACKET * first,
        number,
        times[first],
        times[last - ANEW],
        Fraction(times[warm], header.scale),
        begin + number - PACKET * warm,
    )


def join_sound(plan: SoundPlan, end: Path, target: Path, zero: Time, language: str) -> bool:
    """Write the track; `end` is what the encoder made, `zero` what its times begin with. False if
    the encoder made something else. Blocking.

    Raises OutputWrong.
    """
    header = read_file_header(end, b"soun")
    shown = read_samples(end, header).shown
    low, high = 1 + WARM, 1 + WARM + ANEW  # an encoder begins with a packet of silence
    if len(shown) < high:
        return False
    rest = shown[high] if high < len(shown) else None
    copied = Fraction(PACKET * (plan.last - ANEW - plan.first), plan.rate)
    taken = [
        Taken(plan.files, plan.header, copied, plan.last - ANEW - plan.first, plan.low, plan.high),
        Taken((end,), header, (plan.hidden + plan.number) / Fraction(plan.rate) - copied, ANEW,
              shown[low], rest),
    ]  # fmt: skip
    track = MovieTrack(
        b"soun", plan.rate, plan.header.description, language=language, hidden=plan.hidden
    )
    return Joiner(track, zero=zero).join(taken, target) == plan.last - plan.first


def moved_sound(path: Path, seconds: Time, target: Path, zero: Time, language: str) -> None:
    """A track that an encoder made of so many seconds, with times that begin at `zero`. Blocking.

    Raises OutputWrong.
    """
    header = read_file_header(path, b"soun")
    number, hidden = len(read_samples(path, header)), max(0, header.early)
    track = MovieTrack(b"soun", header.scale, header.description, hidden=hidden, language=language)
    length = seconds + Fraction(hidden, header.scale)
    Joiner(track, zero=zero).join([Taken((path,), header, length, number)], target)
