"""What a hard run has shown: the frames of the result against those that were served. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tests.chaos.capture.origins import Sent

SAME = 0.05  # seconds within which a beep is taken for the one that was wanted


@dataclass(frozen=True, slots=True)
class Evidence:
    """Frames are counted from the beginning of the stream; times are seconds of the result."""

    rate: Fraction
    asked: range  # the frames of the range
    missing: frozenset[int]  # those that nobody ever had
    silent: frozenset[int]  # frames in whose time nobody ever had sound
    shown: Mapping[str, Sequence[int]]  # read from the pictures, by rendition
    beeps: Sequence[float]
    told: Sequence[tuple[int, int]]  # gaps, as frames `[first, last)`
    sent: Sequence[Sent]


@dataclass(slots=True)
class Verdict:
    frames: int = 0
    frames_missing: int = 0
    frames_doubled: int = 0
    frames_strange: int = 0  # that were not asked for, or were in no origin
    frames_out_of_order: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    gaps_wrong: list[tuple[int, int]] = field(default_factory=list)  # told or real, not both
    beeps_missing: int = 0
    av_ms: float = 0.0  # how far sound is from its pictures, at most
    twice_percent: float = 0.0  # bytes of whole bodies that were fetched again
    broken_percent: float = 0.0  # bytes of bodies that origins broke off

    @property
    def holds(self) -> bool:
        wrong = self.frames_missing + self.frames_doubled + self.frames_strange
        wrong += self.frames_out_of_order + self.beeps_missing + len(self.gaps_wrong)
        return not wrong and self.av_ms <= 1 and self.twice_percent <= 2


def judge(seen: Evidence) -> Verdict:
    wanted = [frame for frame in seen.asked if frame not in seen.missing]
    found = Verdict(frames=len(wanted), gaps=list(_gaps(seen)))
    for shown in seen.shown.values():
        counted = Counter(shown)
        found.frames_missing += len(set(wanted) - set(counted))
        found.frames_doubled += sum(number - 1 for number in counted.values())
        found.frames_strange += len(set(counted) - set(wanted))
        found.frames_out_of_order += list(shown) != sorted(shown)
    found.gaps_wrong = sorted(set(found.gaps) ^ set(seen.told))
    found.beeps_missing, found.av_ms = _sound(seen, wanted)
    found.twice_percent, found.broken_percent = _bytes(seen.sent)
    return found


def _gaps(seen: Evidence):
    first = None
    for frame in (*seen.asked, seen.asked.stop):
        is_missing = frame in seen.missing and frame in seen.asked
        if is_missing and first is None:
            first = frame
        elif not is_missing and first is not None:
            yield first, frame
            first = None


def _sound(seen: Evidence, wanted: Sequence[int]) -> tuple[int, float]:
    """Beeps begin with the first frame of a second of the stream."""
    places = {frame: place for place, frame in enumerate(wanted)}
    missing, furthest = 0, 0.0
    for second in range(int(seen.asked.start / seen.rate), int(seen.asked.stop / seen.rate) + 1):
        frame = int(second * seen.rate)
        if frame not in places or frame in seen.silent:
            continue
        at = float(places[frame] / seen.rate)
        nearest = min((abs(beep - at) for beep in seen.beeps), default=SAME)
        if nearest >= SAME:
            missing += 1
        else:
            furthest = max(furthest, 1000 * nearest)
    return missing, round(furthest, 3)


def _bytes(sent: Sequence[Sent]) -> tuple[float, float]:
    """Of what was needed, in percent: sent whole again, sent in part. Both origins have the same
    files."""
    needed: dict[str, int] = {}
    again = broken = 0
    for one in sent:
        if not one.is_whole:
            broken += one.size
        elif one.path in needed:
            again += one.size
        else:
            needed[one.path] = one.size
    total = sum(needed.values()) or 1
    return round(100 * again / total, 2), round(100 * broken / total, 2)
