"""Which pictures make a range: to the frame, once each, whatever manifests round or repeat."""

from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from taskengine.capture.clock import Statement, mapping
from taskengine.capture.demand import Demand
from taskengine.capture.model import Fetched, Resource, Segment, Window
from taskengine.capture.moments import to_millisecond
from taskengine.capture.pieces import Picture, Span, Stretch, gaps, pieces, stretches
from taskengine.capture.showing import silent

ZERO = Fraction(1_925_000_000)


def fetched(number, start, length=4, source=0, run="r"):
    segment = Segment(number, Fraction(start), Fraction(length), Resource("u"), None, run)
    return Fetched("video-1", source, segment, f"{number}.m4s")


def stretch(first, number, rate=Fraction(25), media=Fraction(90), source=0, rounded=False):
    """Pictures from `first` seconds on; segments of 50 pictures, whose times are stated."""
    shown = [ZERO + first + n / rate for n in range(number)]
    statements = [
        Statement(media + n / rate, to_millisecond(shown[n]) if rounded else shown[n])
        for n in range(0, number, 50)
    ]
    pictures = [Picture(media + n / rate, n // 50, n % 50 == 0) for n in range(number)]
    segments = [fetched(n // 50, shown[n], 50 / rate, source) for n in range(0, number, 50)]
    return Stretch(tuple(segments), tuple(pictures), mapping(statements))


def test_a_frame_belongs_to_the_range_when_its_rounded_time_does():
    [one] = pieces([stretch(Fraction(0), 500)], ZERO + Fraction(1332, 100), ZERO + 18)
    assert (one.first, one.last) == (333, 450)
    [one] = pieces([stretch(Fraction(0), 500)], ZERO + Fraction(13321, 1000), ZERO + 18)
    assert one.first == 334


def test_what_two_sources_have_is_taken_once():
    found = pieces([stretch(Fraction(0), 200), stretch(Fraction(6), 200)], ZERO, ZERO + 100)
    assert [(one.stretch, one.first, one.last) for one in found] == [(0, 0, 200), (1, 50, 200)]
    assert not gaps(found, ZERO, ZERO + 14, Fraction(1, 25))


def test_gaps_are_told_to_the_frame():
    found = pieces([stretch(Fraction(1), 100), stretch(Fraction(8), 100)], ZERO, ZERO + 15)
    told = gaps(found, ZERO, ZERO + 15, Fraction(1, 25))
    assert [(one.start - ZERO, one.end - ZERO) for one in told] == [(0, 1), (5, 8), (12, 15)]


def test_segments_are_parted_at_runs_sources_and_holes():
    row = [fetched(1, 0), fetched(2, 4), fetched(4, 12), fetched(5, 16, source=1)]
    row += [fetched(6, 20, source=1, run="ad")]
    assert [[one.segment.number for one in part] for part in stretches(row)] == [
        [1, 2],
        [4],
        [5],
        [6],
    ]


def test_silence_is_told_where_it_reaches_to_the_end_of_a_span():
    row = [fetched(0, 0), fetched(2, 8), fetched(3, 12)]
    spans = [Span(Fraction(0), Fraction(6)), Span(Fraction(6), Fraction(16))]
    found = silent(row, spans)
    assert [(one.start, one.end) for one in found] == [(4, 8)]


def test_what_is_offered_anew_is_asked_for_at_once():
    demand = Demand("video-1", Fraction(0), Fraction(100))
    one, two = (replace(fetched(1, 0).segment, media=Resource(name)) for name in "ab")
    demand.offer(0, Window((one,), has_clock=True), 10.0)
    stretch = demand.next(10.0)
    demand.failed(stretch, {0: "gone"}, 10.0)
    assert demand.next(10.1) is None
    demand.offer(1, Window((two,), has_clock=True), 10.1)
    assert demand.next(10.1) is stretch
    demand.failed(stretch, {0: "gone", 1: "gone"}, 10.1)
    demand.returned(1, 10.2)
    assert demand.next(10.2) is stretch


def test_a_step_of_the_clock_is_a_new_mapping():
    said = [Statement(Fraction(n), ZERO + n + (3 if n >= 8 else 0)) for n in range(0, 20, 4)]
    found = mapping(said)
    [jump] = found.jumps
    assert (jump.media, jump.by) == (8, 3)
    assert found.time(Fraction(7)) == ZERO + 7
    assert found.time(Fraction(9)) == ZERO + 12


RATES = st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(50), Fraction(60000, 1001)])


@settings(max_examples=40)
@given(RATES, st.integers(0, 10**6), st.integers(0, 150), st.integers(1, 100))
def test_ranges_by_the_rounded_times_of_frames_are_exact(rate, shift, first, number):
    """However the first picture lies to the millisecond, and however statements are rounded."""
    begins = Fraction(shift, 90_000)
    one = stretch(begins, 251, rate, rounded=True)
    start = to_millisecond(ZERO + begins + first / rate)
    end = to_millisecond(ZERO + begins + (first + number) / rate)
    [found] = pieces([one], start, end)
    assert (found.first, found.number) == (first, number)
