"""What no source had of the clips that are cut, and how much of it may be missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from taskengine.capture.model import Gap
from taskengine.capture.moments import told
from taskengine.capture.showing import RecordedClip
from taskengine.model import JsonObject, PermanentFailure


@dataclass(slots=True)
class Missing:
    """What no source had (A72). `limit` is in seconds of all clips; None: none. `is_filled`: black
    pictures and silence stand for it."""

    limit: float | None
    is_filled: bool = False
    told: list[JsonObject] = field(default_factory=list)
    seconds: Fraction = Fraction(0)

    def add(self, clip: RecordedClip, gap: Gap) -> str:
        """Note a gap; the line about it."""
        clock = clip.range.has_clock
        start, end = (told(time, has_clock=clock) for time in (gap.start, gap.end))
        filled = {"filled": True} if self.is_filled else {}
        self.told.append({"clip": clip.place, "from": start, "to": end, **filled})
        self.seconds += gap.end - gap.start
        length = float(gap.end - gap.start)
        return f"Clip {clip.place}: no source has {start} to {end} ({length:.3f} s)"

    def check(self) -> None:
        if self.limit is not None and self.seconds > self.limit:
            raise PermanentFailure(
                f"{float(self.seconds):.3f} s are missing in {len(self.told)} gaps,"
                f" missing_content_limit is {self.limit:g} s"
            )
