"""Where a film is cut into segments, by the times of its pictures; nothing is encoded."""

from array import array
from fractions import Fraction
from itertools import pairwise

import pytest

from taskengine.media import encoding
from taskengine.media.probe import ProbedStream
from taskengine.media.segments import PictureTimes, segments
from taskengine.media.tracks import Track

NTSC = Fraction(1001, 30_000)


def shown(number, *, step=1, base=Fraction(1, 25), begin=0):
    return PictureTimes(array("q", range(begin, begin + number * step, step)), base)


def test_segments_hold_each_picture_once_and_last_as_long_as_the_film():
    found = segments(shown(500), 0, 20, 6)
    assert [(float(one.start), one.pictures, one.length) for one in found] == [
        (0, 150, 6),
        (6, 150, 6),
        (12, 200, 8),
    ]
    assert [one.last for one in found] == [Fraction(149, 25), Fraction(299, 25), Fraction(499, 25)]


@pytest.mark.parametrize("begin", [0, 44_044])
@pytest.mark.parametrize("seconds", [2, 5, 9.5])
def test_a_segment_begins_where_the_whole_film_would_have_a_keyframe(begin, seconds):
    film = shown(3000, step=1001, base=Fraction(1, 30_000), begin=begin)
    found = segments(film, begin / 30_000, float(3000 * NTSC), seconds)
    assert sum(one.pictures for one in found) == 3000
    assert sum(one.length for one in found) == 3000 * NTSC
    for before, one in pairwise(found):
        at = one.start - found[0].start
        assert at - NTSC < at // encoding.GROUP * encoding.GROUP <= at  # the first one from then on
        assert before.last + NTSC == one.start == before.start + before.length
        assert before.cut.high == one.cut.low == pytest.approx(float(one.start - NTSC / 2))
        grid = float(at // encoding.GROUP * encoding.GROUP - at)
        assert one.cut.grid == pytest.approx(grid)


def test_the_first_segment_begins_with_the_film_though_its_pictures_come_later():
    [first, *_] = segments(shown(500, begin=18), 0, 20.7, 6)
    assert (first.start, first.cut.low, first.pictures) == (0, None, 150 - 18)


@pytest.mark.parametrize(
    ("film", "duration"),
    [
        (shown(290), 11.6),  # shorter than two segments
        (PictureTimes(array("q", [*range(250), *range(600, 850)]), Fraction(1, 25)), 34),
        (PictureTimes(array("q", range(500)), Fraction(1, 25), is_timed=False), 20),
        (PictureTimes(), 20),
    ],
)
def test_a_film_is_encoded_in_one_piece_where_it_cannot_be_cut(film, duration):
    assert segments(film, 0, duration, 6) == []


async def test_a_listing_leaves_out_what_is_decoded_and_not_shown():
    found = PictureTimes()
    for line in ("packet,-40,9,KD_\n", "packet,0,9,K__\n", "packet,80,5,___\n", "stream,1/1000\n"):
        await found.take(line)
    assert (list(found.times), found.base, found.is_timed) == ([0, 80], Fraction(1, 1000), True)
    await found.take("packet,N/A,5,___\n")
    assert not found.is_timed


def test_a_part_is_cut_once_its_fields_are_woven():
    stream = ProbedStream(Track("video", "v", width=2, height=2))
    cut = encoding.PictureRange(6.006, low=5.98, high=12.0, grid=-0.006)
    [_, chain, *_, keyframes] = encoding.video("H264", stream, "scale=-2:2", cut)
    assert chain == (
        "yadif=deint=interlaced,trim=start=5.980000000:end=12.000000000,"
        "setpts='round(PTS-6.006000000/TB)',scale=-2:2,format=yuv420p"
    )
    assert keyframes == "expr:gte(t,-0.006000000+n_forced*2)"
