"""What playlists, MPDs and segments say of advertising."""

import struct
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskengine.capture.moments import read_timestamp
from taskengine.capture.sources.dash import read_mpd
from taskengine.capture.sources.events import messages
from taskengine.capture.sources.hls_media import MediaPlaylist
from taskengine.capture.sources.transport import transport_messages
from taskengine.media.scte35 import crc32, read_text, section_of, splice_insert, splice_time
from tests.media.test_scte35 import INSERT, OPPORTUNITY

URL = "http://a.test/v.m3u8"
ZERO = read_timestamp("2031-01-05T10:00:00Z")
HEX = f"0x{read_text(INSERT).section.hex().upper()}"
EVENT = str(0x4800008F)


def playlist(*groups, dated=True, over=True):
    """Segments of four seconds, each with the lines that stand before it."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4", "#EXT-X-MEDIA-SEQUENCE:7"]
    lines += ["#EXT-X-PROGRAM-DATE-TIME:2031-01-05T10:00:00.000Z"] if dated else []
    for number, group in enumerate(groups):
        lines += [*group.splitlines(), "#EXTINF:4.000,", f"{number}.ts"]
    return "\n".join(lines + ["#EXT-X-ENDLIST"] * over)


def heard(*groups, **more):
    window = MediaPlaylist().read(playlist(*groups, **more), URL)
    return [
        (one.kind, float(one.time - (ZERO if window.has_clock else 0)), one.duration, one.id)
        for one in window.signals
    ], window


@pytest.mark.parametrize(
    ("tag", "duration"),
    [
        ("#EXT-X-CUE-OUT", None),
        ("#EXT-X-CUE-OUT:30", 30),
        ("#EXT-X-CUE-OUT:30.033", Fraction("30.033")),
        ("#EXT-X-CUE-OUT:DURATION=30", 30),
        ("#EXT-X-CUE-OUT:Duration=30.5,BreakID=9", Fraction("30.5")),
        ('#EXT-X-CUE-OUT:ID="9",DURATION="30"', 30),
        ("#EXT-X-CUE-OUT:soon", None),
        ("#EXT-X-CUE-OUT:-5", None),
        ("#EXT-X-CUE-OUT:99999999999999", None),
    ],
)
def test_a_break_begins_with_the_segment_behind_its_tag(tag, duration):
    found, window = heard("", tag, "#EXT-X-CUE-IN")
    assert [one[:3] for one in found] == [("out", 4, duration), ("in", 8, None)]
    assert window.problems == ()


def test_a_message_belongs_to_the_tag_beside_it():
    found, window = heard("", f"#EXT-OATCLS-SCTE35:{INSERT}\n#EXT-X-CUE-OUT:60.293")
    assert found == [("out", 4, Fraction("60.293"), EVENT)]
    assert window.signals[0].section == read_text(INSERT).section
    [alone], _ = heard("", f"#EXT-OATCLS-SCTE35:{INSERT}")
    assert alone == ("out", 4, Fraction(1808807, 30000), EVENT)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("#EXT-X-CUE-OUT-CONT:ElapsedTime=10.0,Duration=30", ("out", -6, 30)),
        (f"#EXT-X-CUE-OUT-CONT:ElapsedTime=10,Duration=30,SCTE35={INSERT}", ("out", -6, 30)),
        ("#EXT-X-CUE-OUT-CONT:10/30", ("out", -6, 30)),
        ("#EXT-X-CUE-OUT-CONT:10.5", ("out", -6.5, None)),
        ("#EXT-X-CUE-OUT-CONT", ("on", 4, None)),
        (f'#EXT-X-SCTE35:CUE="{INSERT}",CUE-OUT=CONT,ELAPSED=10,DURATION=30', ("out", -6, 30)),
        (f'#EXT-X-SCTE35:CUE="{INSERT}",CUE-OUT=YES,DURATION=30', ("out", 4, 30)),
        (f'#EXT-X-SCTE35:CUE="{INSERT}",CUE-IN=YES', ("in", 4, None)),
    ],
)
def test_a_break_that_goes_on_began_before(tag, expected):
    found, _ = heard("", tag)
    assert [one[:3] for one in found] == [expected]


RANGE = '#EXT-X-DATERANGE:ID="a",START-DATE="2031-01-05T10:00:05.200Z"'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (f",SCTE35-OUT={HEX}", [("out", 5.2, Fraction(1808807, 30000), EVENT)]),
        (f",PLANNED-DURATION=59.9,SCTE35-OUT={HEX}", [("out", 5.2, Fraction("59.9"), EVENT)]),
        (
            f",DURATION=12.5,SCTE35-IN={HEX}",
            [("out", 5.2, Fraction("12.5"), EVENT), ("in", 17.7, None, EVENT)],
        ),
        (
            f',END-DATE="2031-01-05T10:00:15.2Z",SCTE35-OUT={HEX}',
            [("out", 5.2, Fraction(10), EVENT), ("in", 15.2, None, EVENT)],
        ),
        (
            f',CLASS="x",END-ON-NEXT=YES,SCTE35-OUT={HEX}\n'
            '#EXT-X-DATERANGE:ID="b",CLASS="x",START-DATE="2031-01-05T10:00:09Z"',
            [("out", 5.2, Fraction("3.8"), EVENT), ("in", 9, None, EVENT)],
        ),
        (f",SCTE35-CMD={HEX}", [("other", 5.2, None, EVENT)]),
        (',CLASS="com.apple.hls.interstitial",X-ASSET-URI="http://x/"', []),
    ],
)
def test_date_ranges_say_when(more, expected):
    found, window = heard("", RANGE + more)
    assert found == expected
    assert window.problems == ()


@pytest.mark.parametrize(
    ("group", "dated", "reason"),
    [
        ("#EXT-OATCLS-SCTE35:nonsense", True, "cannot be read"),
        (f"#EXT-OATCLS-SCTE35:{INSERT[:30]}", True, "cannot be read"),
        (RANGE + ",SCTE35-OUT=0x12", True, "SCTE35-OUT of a date range: it is no"),
        (f'#EXT-X-DATERANGE:ID="a",START-DATE="today",SCTE35-OUT={HEX}', True, "START-DATE of"),
        (RANGE + f",SCTE35-OUT={HEX}", False, "cannot be placed"),
    ],
)
def test_what_cannot_be_read_is_told_and_the_rest_is_taken(group, dated, reason):
    found, window = heard("", group + "\n#EXT-X-CUE-OUT:30", dated=dated)
    assert ("out", 4, 30, "") in found
    assert reason in window.problems[0]


def test_tags_behind_the_last_segment_wait_for_it():
    text = playlist("", "", over=False) + "\n#EXT-X-CUE-OUT:30\n"
    assert MediaPlaylist().read(text, URL).signals == ()


MPD = """<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic"
 availabilityStartTime="2031-01-05T10:00:00Z"><Period id="1" start="PT10S">{}</Period></MPD>"""
STREAM = '<EventStream schemeIdUri="{}" timescale="90000" presentationTimeOffset="900000">{}</EventStream>'  # noqa: E501
SIGNAL = '<Signal xmlns="http://www.scte.org/schemas/35/2016"><Binary>{}</Binary></Signal>'


def of_mpd(scheme, event):
    return read_mpd(MPD.format(STREAM.format(scheme, event)), "http://a.test/x.mpd", ZERO)


def test_names_of_breaks_are_cut():
    name = "x" * 10_000
    dated = '#EXT-X-DATERANGE:ID="{}",START-DATE="2031-01-05T10:00:08Z",SCTE35-OUT=0x00'
    found, _ = heard(f"#EXT-X-CUE-OUT:ID={name},DURATION=3", dated.format(name))
    assert [named for *_, named in found] == ["x" * 200] * 2


def test_event_streams_count_from_their_period():
    event = f'<Event presentationTime="1350000" duration="2700000" id="3">{SIGNAL}</Event>'
    mpd = of_mpd("urn:scte:scte35:2014:xml+bin", event.format(INSERT))
    [one] = mpd.signals
    assert (one.kind, one.time, one.duration, one.id) == ("out", ZERO + 15, 30, EVENT)
    xml = (
        '<Event presentationTime="900000"><SpliceInfoSection xmlns="http://www.scte.org/schemas/35">'
        '<SpliceInsert spliceEventId="4" outOfNetworkIndicator="false" spliceImmediateFlag="true"/>'
        "</SpliceInfoSection></Event>"
    )
    [back] = of_mpd("urn:scte:scte35:2013:xml", xml).signals
    assert (back.kind, back.time, back.id) == ("in", ZERO + 10, "4")
    assert of_mpd("urn:other", event.format(INSERT)).signals == ()
    broken = of_mpd("urn:scte:scte35:2014:xml+bin", event.format("AAAA"))
    assert broken.signals == ()
    assert "an event of SCTE 35" in broken.problems[0]


def emsg(version, time, section, scheme=b"urn:scte:scte35:2013:bin", duration=0xFFFFFFFF):
    names = scheme + b"\0" + b"1001\0"
    if version:
        content = struct.pack(">IQII", 1000, time, duration, 7) + names + section
    else:
        content = names + struct.pack(">IIII", 1000, time, duration, 7) + section
    return box(b"emsg", bytes([version, 0, 0, 0]) + content)


def box(kind, content):
    return struct.pack(">I4s", len(content) + 8, kind) + content


def packet(pid, payload, *, start=True):
    head = struct.pack(">BHB", 0x47, start << 14 | pid, 0x10)
    return head + payload.ljust(184, b"\xff")


def table(kind, content):
    body = struct.pack(">HBBB", 1, 0xC1, 0, 0) + content
    head = struct.pack(">BH", kind, 0xB000 | len(body) + 4)
    return head + body + crc32(head + body)


def test_messages_in_mpeg_ts(tmp_path):
    """A stream beside the pictures; a message may lie in several packets, or be damaged."""
    programs = table(0, struct.pack(">HH", 0, 0xE010) + struct.pack(">HH", 1, 0xF000))
    streams = struct.pack(">BHH", 0x1B, 0xE101, 0xF000) + struct.pack(">BHH", 0x86, 0xE201, 0xF000)
    program = table(2, struct.pack(">HH", 0xE101, 0xF000) + streams)
    insert = splice_insert(7, Fraction(12), Fraction(30), is_out=True)
    long = section_of(6, splice_time(Fraction(40)), bytes([9, 200]) + bytes(200))
    path = tmp_path / "0.ts"
    path.write_bytes(
        packet(0, b"\0" + programs)
        + packet(0x1000, b"\0" + program)
        + packet(0x101, b"pictures" * 20)
        + packet(0x201, b"\0" + insert)
        + packet(0x201, (b"\0" + long)[:184])
        + packet(0x101, b"pictures" * 20)
        + packet(0x201, long[183:], start=False)
        + packet(0x201, b"\0" + insert[:-1] + b"x")
    )
    problems = []
    found = transport_messages(path, problems.append)
    assert [(one.time, one.message.section) for one in found] == [(12, insert), (40, long)]
    assert problems == ["a message in MPEG-TS that cannot be read: its checksum is wrong"]
    path.write_bytes(packet(0x101, b"pictures"))
    assert transport_messages(path, problems.append) == []


@given(st.lists(st.binary(min_size=0, max_size=184), max_size=8))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_packets_are_borne(tmp_path, payloads):
    path = tmp_path / "0.ts"
    path.write_bytes(b"".join(packet(n % 2, one) for n, one in enumerate(payloads)))
    assert len(transport_messages(path, lambda _: None)) < 100


def test_messages_in_segments(tmp_path):
    section = splice_insert(4, None, Fraction(30), is_out=True)
    path = tmp_path / "1.m4s"
    path.write_bytes(
        box(b"styp", b"msdh") + emsg(0, 500, section) + emsg(1, 70_000, section, duration=30_000)
        + emsg(1, 1, b"", scheme=b"https://aomedia.org/emsg/ID3") + emsg(0, 1, b"junk")
        + box(b"emsg", b"") + box(b"moof", b"x" * 100)
        + emsg(1, 5, read_text(OPPORTUNITY).section) + b"\0\0"
    )  # fmt: skip
    problems = []
    found = messages(path, problems.append)
    assert [(one.time, one.is_delta, one.duration) for one in found] == [
        (Fraction(1, 2), True, None),
        (70, False, 30),
        (Fraction(5, 1000), False, None),
    ]
    assert found[0].message.section == section
    assert len(problems) == 2
