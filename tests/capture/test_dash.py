"""MPDs: templates, timelines, indexes, periods, and what is available of a live stream."""

import struct
from fractions import Fraction

import pytest

from taskengine.capture.model import Resource, SourceRefused
from taskengine.capture.moments import read_timestamp
from taskengine.capture.sources.boxes import sidx
from taskengine.capture.sources.dash import read_mpd
from taskengine.capture.sources.mpd_segments import with_index

URL = "http://origin.test/live/a.mpd?token=7"
TEN = read_timestamp("2031-01-05T10:00:00Z")
LIVE = 'type="dynamic" availabilityStartTime="2031-01-05T10:00:00Z" minimumUpdatePeriod="PT4S"'
STATIC = 'type="static" mediaPresentationDuration="PT10S"'


def mpd(attributes, *periods):
    return f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" {attributes}>{"".join(periods)}</MPD>'


def period(content, attributes='id="p"', track='contentType="video" mimeType="video/mp4"'):
    return (
        f"<Period {attributes}><AdaptationSet {track}>"
        f'<Representation id="v1" bandwidth="800000" width="640" height="360">{content}'
        "</Representation></AdaptationSet></Period>"
    )


NUMBERED = (
    '<SegmentTemplate media="$RepresentationID$/$Number%05d$.m4s" initialization='
    '"$RepresentationID$/init.mp4" timescale="1000" duration="4000" startNumber="1"/>'
)
TIMED = (
    '<SegmentTemplate media="v/$Time$.m4s" initialization="v/i.mp4" timescale="90000" '
    'presentationTimeOffset="900000"><SegmentTimeline>{}</SegmentTimeline></SegmentTemplate>'
)


def window(text, now=TEN):
    found = read_mpd(text, URL, now)
    return found.window(found.tracks[0])


def test_a_live_stream_of_equal_segments_offers_what_is_complete_and_still_kept():
    text = mpd(f'{LIVE} timeShiftBufferDepth="PT12S"', period(NUMBERED, 'id="p" start="PT0S"'))
    found = window(text, TEN + 43)
    assert [one.number for one in found.segments] == [8, 9, 10]
    assert [one.start - TEN for one in found.segments] == [28, 32, 36]
    assert found.segments[0].media.url == "http://origin.test/live/v1/00008.m4s"
    assert found.has_clock
    assert not found.is_over


def test_a_static_one_offers_all_with_the_last_one_cut():
    found = window(mpd(STATIC, period(NUMBERED)))
    assert [one.number for one in found.segments] == [1, 2, 3]
    assert found.is_over
    assert not found.has_clock


def test_a_timeline_repeats_and_its_times_are_less_the_offset():
    text = mpd(LIVE, period(TIMED.format('<S t="900000" d="360000" r="1"/><S d="180000"/>')))
    found = window(text)
    assert [one.start - TEN for one in found.segments] == [0, 4, 8]
    assert [one.duration for one in found.segments] == [4, 4, 2]
    assert found.segments[1].media.url.endswith("/v/1260000.m4s")


def test_segments_named_by_their_times_keep_their_numbers_while_the_window_slides():
    """Where nothing says which number the first one has."""
    before = window(mpd(LIVE, period(TIMED.format('<S t="900000" d="360000" r="2"/>'))))
    after = window(mpd(LIVE, period(TIMED.format('<S t="1260000" d="360000" r="2"/>'))))
    assert [one.number for one in before.segments[1:]] == [one.number for one in after.segments[:2]]
    assert before.segments[1].media == after.segments[0].media


def test_an_open_repetition_ends_with_the_next_one_or_with_the_period():
    entries = '<S t="900000" d="90000" r="-1"/><S t="1170000" d="90000" r="-1"/>'
    found = window(mpd(STATIC, period(TIMED.format(entries))))
    assert [one.start for one in found.segments] == list(range(10))


def test_times_that_count_since_1970_are_a_clock_without_a_start():
    tick = 1_925_000_000 * 90_000
    text = mpd(
        'type="static" mediaPresentationDuration="PT4S"',
        period(TIMED.replace('"900000"', '"0"').format(f'<S t="{tick}" d="360000"/>')),
    )
    assert window(text).has_clock


def test_periods_follow_each_other_and_each_is_a_run_of_its_own():
    text = mpd(
        STATIC.replace("PT10S", "PT20S"),
        period(NUMBERED, 'id="a" duration="PT8S"'),
        period(NUMBERED, 'id="ad" duration="PT4S"'),
        period(NUMBERED, 'id="b"'),
    )
    found = window(text)
    assert [one.start for one in found.segments] == [0, 4, 8, 12, 16]
    assert len({one.run for one in found.segments}) == 3


def test_a_track_is_found_again_in_a_period_with_other_renditions():
    other = period(NUMBERED, 'id="b"').replace('"v1" bandwidth="800000"', '"x" bandwidth="900000"')
    text = mpd(STATIC.replace("PT10S", "PT8S"), period(NUMBERED, 'id="a" duration="PT4S"'), other)
    assert [one.media.url.split("/")[-2] for one in window(text).segments] == ["v1", "x"]


def test_a_list_of_files():
    content = (
        '<SegmentList timescale="1" duration="4"><Initialization sourceURL="i.mp4"/>'
        '<SegmentURL media="1.m4s"/><SegmentURL media="2.m4s" mediaRange="10-19"/></SegmentList>'
    )
    one, two = window(mpd(STATIC, period(content))).segments
    assert one.init == Resource("http://origin.test/live/i.mp4")
    assert two.media == Resource("http://origin.test/live/2.m4s", 10, 10)
    assert (one.start, two.start) == (0, 4)


def index(*references, version=0, scale=1000):
    layout = ">QQ" if version else ">II"
    body = struct.pack(">BxxxII", version, 1, scale) + struct.pack(layout, 0, 0)
    body += struct.pack(">HH", 0, len(references))
    for size, length in references:
        body += struct.pack(">III", size, length, 0x90000000)
    return struct.pack(">I4s", 8 + len(body), b"sidx") + body


@pytest.mark.parametrize("version", [0, 1])
def test_a_file_with_an_index(version):
    content = (
        '<BaseURL>v.mp4</BaseURL><SegmentBase indexRange="700-799" timescale="1000">'
        '<Initialization range="0-699"/></SegmentBase>'
    )
    found = read_mpd(mpd(STATIC, period(content)), URL, TEN)
    [one] = found.of(found.tracks[0])
    assert one.index == Resource("http://origin.test/live/v.mp4", 700, 100)
    data = index((500, 4000), (600, 6000), version=version)
    segments = with_index(one.blueprint, sidx(data, 700))
    end = 700 + len(data)
    assert [(s.media.offset, s.media.length) for s in segments] == [(end, 500), (end + 500, 600)]
    assert [(s.start, s.duration) for s in segments] == [(0, 4), (4, 6)]
    assert segments[0].init == Resource("http://origin.test/live/v.mp4", 0, 700)


def test_what_tracks_are():
    audio = (
        '<AdaptationSet contentType="audio" lang="nld" mimeType="audio/mp4">'
        '<Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/><Label>Nederlands</Label>'
        '<Representation id="a" bandwidth="96000" codecs="mp4a.40.2"><AudioChannelConfiguration '
        'schemeIdUri="x" value="2"/></Representation></AdaptationSet>'
    )
    trick = (
        '<AdaptationSet contentType="video"><EssentialProperty schemeIdUri='
        '"http://dashif.org/guidelines/trickmode" value="1"/><Representation id="t"/>'
        "</AdaptationSet>"
    )
    text = mpd(STATIC, period(NUMBERED).replace("</Period>", f"{audio}{trick}</Period>"))
    video, sound = read_mpd(text, URL, TEN).tracks
    assert (video.type, video.bitrate, video.height) == ("video", 800000, 360)
    assert (sound.language, sound.name, sound.channels, sound.is_default) == (
        "nld",
        "Nederlands",
        2,
        True,
    )


def test_the_key_id_of_protected_media():
    protected = (
        '<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" '
        'xmlns:c="urn:mpeg:cenc:2013" c:default_KID="01234567-89ab-cdef-0123-456789abcdef"/>'
    )
    [one, *_] = window(mpd(STATIC, period(protected + NUMBERED))).segments
    assert one.encryption.key_id == "0123456789abcdef0123456789abcdef"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><MPD>&b;</MPD>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<MPD", "no XML"),
        (BOMB, "no XML"),
        ("<html/>", "html"),
        (mpd(STATIC, period(TIMED.format('<S t="0" d="0"/>'))), "no duration"),
        (mpd(STATIC, period(NUMBERED.replace('"1000"', '"0"'))), "timescale"),
        (mpd(STATIC, period(NUMBERED.replace('duration="4000"', ""))), "no duration"),
        (mpd(STATIC, period(TIMED.format('<S t="0" d="1" r="999999999"/>'))), "100000"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(text, reason):
    with pytest.raises(SourceRefused, match=reason):
        window(text)


@pytest.mark.parametrize(
    "data", [b"", b"sidx", index((1, 1))[:-4], struct.pack(">I4s", 8, b"free")]
)
def test_a_damaged_index_is_refused(data):
    with pytest.raises(SourceRefused):
        sidx(data, 0)


def test_a_live_timeline_without_an_end_reaches_to_now():
    text = mpd(LIVE, period(TIMED.format('<S t="900000" d="360000" r="-1"/>'), 'start="PT0S"'))
    assert [one.start - TEN for one in window(text, TEN + Fraction(17, 2)).segments] == [0, 4, 8]


@pytest.mark.parametrize(
    ("scheme", "value", "services"),
    [
        ("608:2015", "CC1=eng;CC3=swe", ("CC1=eng", "CC3=swe")),
        ("608:2015", "eng; swe;x;y;z", ("CC1=eng", "CC3=swe", "CC2=x", "CC4=y")),
        ("708:2015", "1=lang:eng;2=lang:deu,war:1", ("SERVICE1=eng", "SERVICE2=deu")),
        ("608:2015", "", ()),
    ],
)
def test_captions_inside_pictures_are_named(scheme, value, services):
    text = (
        '<MPD mediaPresentationDuration="PT8S"><Period><AdaptationSet contentType="video">'
        f'<Accessibility schemeIdUri="urn:scte:dash:cc:cea-{scheme}" value="{value}"/>'
        '<SegmentTemplate media="$Number$" duration="4"/><Representation id="v"/>'
        "</AdaptationSet></Period></MPD>"
    )
    [track] = read_mpd(text, "http://a.test/x.mpd", Fraction(0)).tracks
    assert track.captions == services
