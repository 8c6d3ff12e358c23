"""What is shown of a clip whose pictures or clocks are not all there."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from taskengine.capture.clock import Clock, Statement, mapping
from taskengine.capture.model import SourceTrack
from taskengine.capture.pieces import Span
from taskengine.capture.showing import RecordedClip, Shown
from taskengine.model import PermanentFailure


async def test_pictures_that_were_all_given_up_do_not_make_a_radio_of_a_clip(monkeypatch):
    async def heard(*args, **more):
        pytest.fail("its sound alone is no result")

    monkeypatch.setattr(RecordedClip, "_heard", heard)
    monkeypatch.setattr(RecordedClip, "segments", lambda self, name: [])
    tracks = {"v": SourceTrack("v", "video"), "a": SourceTrack("a", "audio")}
    said = SimpleNamespace(tracks=tracks, start=Fraction(0), end=Fraction(9))
    clip = RecordedClip(0, said, None, None, None, {})
    with pytest.raises(PermanentFailure, match="there are no pictures"):
        await clip.look()


def test_the_time_of_sound_is_that_of_the_clock_that_holds_it():
    def clock(start, end, media):
        times = mapping([Statement(Fraction(media), Fraction(start))])
        return Clock(0, Fraction(start), Fraction(end), times)

    shown = Shown({}, (), (clock(0, 100, 1000), clock(100, 200, 5000)))
    assert shown.zero([Span(Fraction(90), Fraction(120))]) == 1090
