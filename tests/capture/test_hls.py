"""HLS playlists: times, runs, keys and tracks, also where a live window slides."""

import time
from fractions import Fraction

import pytest

from taskengine.capture.model import Resource, SourceRefused
from taskengine.capture.moments import read_timestamp
from taskengine.capture.sources.hls_master import MUXED, read_master
from taskengine.capture.sources.hls_media import MediaPlaylist
from taskengine.capture.sources.hls_tags import Tag

URL = "http://origin.test/live/v.m3u8?token=7"
TEN = read_timestamp("2031-01-05T10:00:00Z")


def playlist(*lines, first=1):
    head = ["#EXTM3U", "#EXT-X-TARGETDURATION:4", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    return "\n".join([*head, *lines])


def segments(first, last, *, stated=None):
    """Of four seconds each; `stated` is the number whose time is told, 10:00 plus its place."""
    lines = []
    for number in range(first, last + 1):
        if number == stated:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:2031-01-05T10:00:{4 * number:02}.000Z")
        lines += ["#EXTINF:4.000,", f"{number}.m4s"]
    return lines


def starts(window):
    return [float(one.start - TEN) for one in window.segments]


def test_times_are_counted_from_the_stated_one_in_both_directions():
    window = MediaPlaylist().read(playlist(*segments(1, 4, stated=3)), URL)
    assert window.has_clock
    assert starts(window) == [4, 8, 12, 16]
    assert [one.stated for one in window.segments] == [False, False, True, False]


def test_without_a_stated_time_the_first_segment_is_zero():
    window = MediaPlaylist().read(playlist(*segments(1, 3)), URL)
    assert not window.has_clock
    assert [one.start for one in window.segments] == [0, 4, 8]


def test_a_time_that_rolled_off_still_counts():
    reader = MediaPlaylist()
    reader.read(playlist(*segments(1, 4, stated=1)), URL)
    window = reader.read(playlist(*segments(3, 6), first=3), URL)
    assert starts(window) == [12, 16, 20, 24]


def test_a_window_without_clock_goes_on_where_the_last_one_was():
    reader = MediaPlaylist()
    reader.read(playlist(*segments(1, 4)), URL)
    assert [one.start for one in reader.read(playlist(*segments(3, 6), first=3), URL).segments] == [
        8,
        12,
        16,
        20,
    ]
    later = reader.read(playlist(*segments(9, 10), first=9), URL)
    assert [one.start for one in later.segments] == [32, 36]  # two segments were missed


def test_a_time_is_stated_anew_and_counts_from_there():
    lines = [
        *segments(1, 2, stated=1),
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-PROGRAM-DATE-TIME:2031-01-05T10:01:00.5+00:00",
        "#EXTINF:3.84,ad",
        "ad.ts",
        "#EXTINF:4,",
        "ad2.ts",
    ]
    window = MediaPlaylist().read(playlist(*lines), URL)
    assert starts(window) == [4, 8, 60.5, 64.34]
    assert len({one.run for one in window.segments}) == 2


def test_a_run_keeps_its_name_when_the_discontinuity_rolls_off_without_a_number():
    reader = MediaPlaylist()
    lines = [*segments(1, 2), "#EXT-X-DISCONTINUITY", *segments(3, 4)]
    before = reader.read(playlist(*lines), URL).segments
    after = reader.read(playlist(*segments(3, 6), first=3), URL).segments
    assert {one.run for one in after} == {before[-1].run}
    assert before[0].run != before[-1].run


def test_byte_ranges_follow_each_other_and_the_map_belongs_to_the_run():
    lines = [
        '#EXT-X-MAP:URI="all.mp4",BYTERANGE="800@0"',
        "#EXTINF:4,",
        "#EXT-X-BYTERANGE:1000@800",
        "all.mp4",
        "#EXTINF:4,",
        "#EXT-X-BYTERANGE:500",
        "all.mp4",
    ]
    [one, two] = MediaPlaylist().read(playlist(*lines), URL).segments
    address = "http://origin.test/live/all.mp4"
    assert (one.media, two.media) == (Resource(address, 800, 1000), Resource(address, 1800, 500))
    assert one.init == Resource(address, 0, 800)
    assert one.run == two.run
    assert one.form == "mp4"


def test_keys_change_inside_a_stream_and_end():
    lines = [
        '#EXT-X-KEY:METHOD=AES-128,URI="k1"',
        "#EXTINF:4,",
        "7.ts",
        '#EXT-X-KEY:METHOD=AES-128,URI="k2",IV=0x0000000000000000000000000000002a',
        "#EXTINF:4,",
        "8.ts",
        "#EXT-X-KEY:METHOD=NONE",
        "#EXTINF:4,",
        "9.ts",
    ]
    first, second, third = MediaPlaylist().read(playlist(*lines, first=7), URL).segments
    assert first.encryption.iv == (7).to_bytes(16, "big")
    assert second.encryption.iv == (42).to_bytes(16, "big")
    assert second.encryption.key == Resource("http://origin.test/live/k2")
    assert third.encryption is None


def test_of_several_key_formats_the_one_that_anybody_can_use_is_taken():
    lines = [
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"',
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k",KEYFORMAT="identity",IV=0x1',
        "#EXTINF:4,",
        "1.m4s",
    ]
    [one] = MediaPlaylist().read(playlist(*lines), URL).segments
    assert one.encryption.key == Resource("http://origin.test/live/k")


def test_what_the_playlist_says_is_missing_is_not_offered():
    lines = ["#EXTINF:4,", "1.ts", "#EXT-X-GAP", "#EXTINF:4,", "2.ts", "#EXTINF:4,", "3.ts"]
    window = MediaPlaylist().read(playlist(*lines), URL)
    assert [one.number for one in window.segments] == [1, 3]
    assert window.segments[1].start == 8


def test_variables_are_filled_in():
    lines = ['#EXT-X-DEFINE:NAME="path",VALUE="a/b"', "#EXTINF:4,", "{$path}/1.ts"]
    [one] = MediaPlaylist().read(playlist(*lines), URL).segments
    assert one.media.url == "http://origin.test/live/a/b/1.ts"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "#EXTM3U"),
        (playlist("#EXTINF:nan,", "1.ts"), "duration"),
        (playlist("#EXTINF:-4,", "1.ts"), "duration"),
        (playlist("#EXTINF:1e9,", "1.ts"), "duration"),
        (playlist("#EXTINF:99999999,", "1.ts"), "duration"),
        (playlist("#EXT-X-I-FRAMES-ONLY"), "keyframes"),
        (playlist("#EXT-X-KEY:METHOD=ROT13", "#EXTINF:4,", "1.ts"), "ROT13"),
        (playlist('#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0xzz', "#EXTINF:4,", "1.ts"), "IV"),
        (playlist("#EXTINF:4,", "#EXT-X-BYTERANGE:x@y", "1.ts"), "byte range"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(text, reason):
    with pytest.raises(SourceRefused, match=reason):
        MediaPlaylist().read(text, URL)


def test_100_000_segments_are_read_and_no_more():
    many = playlist(*["#EXTINF:2,\nx.ts"] * 100_001)
    with pytest.raises(SourceRefused, match="100000"):
        MediaPlaylist().read(many, URL)


MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,CHANNELS="2",URI="en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="AD",LANGUAGE="en",URI="ad.m3u8",CHARACTERISTICS="public.accessibility.describes-video"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="Dutch",LANGUAGE="nl",URI="nl.m3u8"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="CC",LANGUAGE="en",INSTREAM-ID="CC1"
#EXT-X-STREAM-INF:BANDWIDTH=2400000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=50,AUDIO="a",SUBTITLES="s",CLOSED-CAPTIONS="cc"
hi.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS="avc1.4d401e,mp4a.40.2",RESOLUTION=640x360,AUDIO="a"
lo.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,URI="i.m3u8"
"""


def test_the_tracks_of_a_master():
    master = read_master(MASTER, "http://origin.test/m.m3u8")
    shown = [(t.type, t.bitrate, t.height, t.language, t.kind, t.is_default) for t in master.tracks]
    assert shown == [
        ("video", 2400000, 720, "", "", False),
        ("video", 800000, 360, "", "", False),
        ("audio", 0, 0, "en", "", True),
        ("audio", 0, 0, "en", "main-desc", False),
        ("text", 0, 0, "nl", "", False),
    ]
    assert master.tracks[0].captions == ("CC1=en",)
    assert master.tracks[0].frame_rate == 50
    assert master.tracks[2].codec == "mp4a.40.2"
    assert master.playlists[master.tracks[4].id] == "http://origin.test/nl.m3u8"


def test_sound_inside_the_pictures_is_a_track_of_its_own():
    text = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1.4d401e,mp4a.40.2"\nv.m3u8\n'
    video, audio = read_master(text, "http://o.test/m.m3u8").tracks
    assert (audio.type, audio.id) == ("audio", video.id + MUXED)


def test_a_variant_of_sound_alone_is_sound():
    text = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=96000,CODECS="mp4a.40.5"\na.m3u8\n'
    [audio] = read_master(text, "http://o.test/m.m3u8").tracks
    assert (audio.type, audio.bitrate) == ("audio", 96000)


def test_digits_of_a_stated_time_are_all_kept():
    assert read_timestamp("1970-01-01T00:00:01.123456789Z") == Fraction(1123456789, 10**9)
    assert read_timestamp("1970-01-01T01:00:00+0100") == 0


def test_attributes_take_time_that_grows_with_their_text():
    begin = time.process_time()
    assert not Tag("EXT-X-KEY", "A" * 60_000).attributes
    assert Tag("EXT-X-KEY", 'METHOD=NONE, URI="a,b"').attributes == {"METHOD": "NONE", "URI": "a,b"}
    assert time.process_time() - begin < 1
