"""Markers in playlists and MPDs, and read again from an MPD."""

from fractions import Fraction

import pytest

from taskengine.media.markers import Marker
from taskengine.media.marking import mark_mpd, mark_playlist, read_markers
from taskengine.media.scte35 import section_of, splice_insert, splice_time

OUT = splice_insert(1, Fraction(6), Fraction(10), is_out=True)
BACK = splice_insert(1, Fraction(16), is_out=False)
OTHER = section_of(6, splice_time(Fraction(2)))
MARKERS = [
    Marker(1, Fraction(2), other=OTHER),
    Marker(2, Fraction("6.04"), Fraction(10), OUT, BACK),
    Marker(3, Fraction(1801, 90), None, OUT),
]
PLAYLIST = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:8
#EXT-X-MAP:URI="v.mp4",BYTERANGE="870@0"
#EXTINF:8.000,
#EXT-X-BYTERANGE:100@900
v.mp4
#EXTINF:8.000,
#EXT-X-BYTERANGE:100
v.mp4
#EXTINF:4.000,
#EXT-X-BYTERANGE:100
v.mp4
#EXT-X-ENDLIST
"""
HEAD = "#EXT-X-DATERANGE:ID="


def test_date_ranges_stand_before_the_segments_in_which_they_begin_and_end():
    lines = mark_playlist(PLAYLIST, MARKERS).splitlines()
    assert [line for line in lines if not line.startswith(("#EXT-X-DATE", "#EXT-X-PROGRAM"))] == (
        PLAYLIST.splitlines()
    )
    first = lines.index("#EXTINF:8.000,")
    assert lines[first - 3 : first] == [
        "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z",
        f'{HEAD}"scte35-1",START-DATE="1970-01-01T00:00:02.000Z",SCTE35-CMD=0x{OTHER.hex().upper()}',
        f'{HEAD}"scte35-2",START-DATE="1970-01-01T00:00:06.040Z",PLANNED-DURATION=10.000,'
        f"SCTE35-OUT=0x{OUT.hex().upper()}",
    ]
    last = lines.index("#EXTINF:4.000,")
    assert lines[last - 2 : last] == [
        f'{HEAD}"scte35-2",START-DATE="1970-01-01T00:00:06.040Z",DURATION=10.000,'
        f"SCTE35-IN=0x{BACK.hex().upper()}",
        f'{HEAD}"scte35-3",START-DATE="1970-01-01T00:00:20.011Z",SCTE35-OUT=0x{OUT.hex().upper()}',
    ]


def test_a_date_that_stands_there_counts():
    dated = PLAYLIST.replace(
        "#EXTINF", "#EXT-X-PROGRAM-DATE-TIME:2031-01-05T10:00:00.500Z\n#EXTINF", 1
    )
    text = mark_playlist(dated, MARKERS)
    assert text.count("PROGRAM-DATE") == 1
    assert 'START-DATE="2031-01-05T10:00:06.540Z"' in text


def test_captions_and_keyframes_get_the_date_alone():
    text = mark_playlist(PLAYLIST, MARKERS, with_markers=False)
    assert "DATERANGE" not in text
    assert text.count("PROGRAM-DATE") == 1


MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">
  <Period id="0">
    <AdaptationSet id="0"/>
  </Period>
</MPD>
"""


@pytest.mark.parametrize("markers", [MARKERS, MARKERS[:1]])
def test_an_mpd_has_events_that_can_be_read_again(markers):
    text = mark_mpd(MPD, markers)
    assert text.index("EventStream") < text.index("AdaptationSet")
    found = read_markers(text)
    assert [(one.id, one.duration, one.out, one.back, one.other) for one in found] == [
        (one.id, one.duration, one.out, one.back, one.other) for one in markers
    ]
    for one, other in zip(found, markers, strict=True):
        assert abs(one.start - other.start) <= Fraction(1, 180_000)
    assert read_markers(MPD) == []


def test_markers_are_json():
    assert [Marker.of_json(one.to_json()) for one in MARKERS] == MARKERS


def test_what_gives_way_to_nothing_and_what_players_show_is_read_again():
    """An inserted break ends where it begins; interstitials come back from the MPD."""
    uri, period = 'http://ads.test/"a".m3u8?b=1&c', '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">'
    out = splice_insert(4, Fraction(12), Fraction(30), is_out=True)
    marker = Marker(
        1, Fraction(12), Fraction(30), out, BACK, is_inserted=True, asset_uri=uri, asset_list=""
    )
    other = Marker(2, Fraction(16), Fraction(2), OUT, BACK, asset_list="http://ads.test/list")
    text = mark_mpd(f'{period}<Period id="0">\n</Period></MPD>', [marker, other])
    assert read_markers(text) == [marker, other]
    assert Marker.of_json(marker.to_json()) == marker
    lines = mark_playlist(PLAYLIST, [marker]).splitlines()
    told = [line.partition("START-DATE=")[2].split(",")[1:3] for line in lines if HEAD in line]
    assert told == [
        ["PLANNED-DURATION=30.000", f"SCTE35-OUT=0x{out.hex().upper()}"],
        ["DURATION=30.000", 'X-ASSET-URI="http://ads.test/%22a%22.m3u8?b=1&c"'],
        ["DURATION=0.000", f"SCTE35-IN=0x{BACK.hex().upper()}"],
    ]
