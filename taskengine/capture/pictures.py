"""Pictures of one rendition of a stream: which one is shown at a time, and which files show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from taskengine.capture.clip import Clip
from taskengine.capture.looked import Looked
from taskengine.capture.model import SourceTrack, Time, videos_of
from taskengine.capture.moments import MILLISECOND, Moment, to_millisecond
from taskengine.capture.packets import Format
from taskengine.capture.pieces import Stretch
from taskengine.capture.splicing import Part
from taskengine.media.images import Shape
from taskengine.model import PermanentFailure

HD: Final = 720  # rows from which on colours are those of BT.709
MOST_AHEAD: Final = 600  # seconds; more is another clock
LAST_LONGER: Final = Fraction(3, 2)  # of a picture's length: so long the last one is shown at most


@dataclass(frozen=True, slots=True)
class OneRendition(Clip):
    """A clip of one video track alone: the one with a bitrate, else the best."""

    bitrate: int | None = None

    def chosen(self, tracks: Sequence[SourceTrack]) -> list[SourceTrack]:
        """Raises PermanentFailure where the stream has no such track."""
        videos = videos_of(tracks)
        found = [track for track in videos if self.bitrate in (None, track.bitrate)]
        if not found:
            known = ", ".join(str(rate) for rate in sorted({one.bitrate for one in videos}))
            raise PermanentFailure(f"bitrate: there is no video of {self.bitrate}, but of {known}")
        return [max(found, key=lambda track: (track.height, track.bitrate))]


def around(moment: Moment, lead: Time) -> tuple[Moment, Moment]:
    """From `lead` seconds before a moment to right after it."""
    return moment.moved(-lead), moment.moved(MILLISECOND)


def is_summed(one: Looked) -> bool:
    """Whether its times are sums of rounded durations, as in HLS without a clock."""
    first = one.stretch.segments[0].segment
    return not first.stated and first.number > 0


def runs_ahead(one: Looked, beginning: Looked) -> Time:
    """By how much the times of a stretch, sums of what a manifest rounded, are ahead of its media,
    as the beginning of the stream tells; 0 where the media begins anew in between."""
    near, far = beginning.stretch, one.stretch
    if near.segments[0].segment.run != far.segments[0].segment.run:
        return Fraction(0)
    media = far.pictures[0].media - near.pictures[0].media
    ahead = far.time(0) - near.time(0) - media
    return ahead if abs(ahead) < MOST_AHEAD else Fraction(0)


def shown_at(looked: Iterable[Looked], time: Time) -> tuple[Looked, int] | None:
    """The picture that is shown at a time, and its place; None where there is none.

    It is the last one that begins at or before the time, both to the millisecond (A68): who names
    the time of a picture means that one, however manifests and clients have rounded it.
    """
    at = to_millisecond(time)
    for one in looked:
        place = one.stretch.first_at(at + 2 * MILLISECOND) - 1
        if place >= 0 and (place + 1 < len(one.stretch.pictures) or _lasts(one.stretch, at)):
            return one, place
    return None


def _lasts(stretch: Stretch, at: Time) -> bool:
    """Whether the last picture is still shown."""
    last = stretch.time(len(stretch.pictures) - 1)
    return at < last + stretch.length * LAST_LONGER


def needed(one: Looked, place: int) -> Part | None:
    """The segments that a picture is decoded from; None if its keyframe is in none of them."""
    pictures = one.stretch.pictures
    key = next((at for at in range(place, -1, -1) if pictures[at].is_key), None)
    if key is None:
        return None
    begin = max(0, pictures[key].segment - one.is_open)
    return Part(place, place + 1, begin, pictures[place].segment + 1, is_copied=False)


def shape_of(form: Format) -> Shape:
    """How large its pictures are shown, where pixels need not be square."""
    width, height = int(form.said["width"]), int(form.said["height"])
    above, _, below = str(form.said.get("sample_aspect_ratio", "1:1")).partition(":")
    is_stated = above.isdigit() and below.isdigit() and int(above) and int(below)
    return Shape(round(width * int(above) / int(below)) if is_stated else width, height)


def scaled(form: Format, shape: Shape) -> str:
    """The filter that makes pictures have a shape; where large ones do not say how their colours
    are meant, they are those of HD."""
    is_stated = form.said.get("color_space", "unknown") not in ("unknown", "unspecified")
    matrix = "" if is_stated or int(form.said["height"]) < HD else ":in_color_matrix=bt709"
    return f"scale={shape.width}:{shape.height}{matrix}"
