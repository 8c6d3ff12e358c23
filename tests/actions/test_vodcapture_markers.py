"""vodcapture keeps advertising at its frame, whatever form a source tells it in."""

import base64
import re
from datetime import datetime
from fractions import Fraction

import pytest

from taskengine.capture.cues import read_webvtt
from taskengine.capture.moments import told
from taskengine.media.marking import read_markers
from taskengine.media.scte35 import read_message, splice_insert
from tests.actions.captures import BEGAN, CaptureJob, utc
from tests.capture.captioned import CLEAR, SHOW, caption, control, placed, pop_on
from tests.capture.film import numbers
from tests.capture.live import make_stream
from tests.capture.origin import Answered
from tests.capture.test_signals import SIGNAL, STREAM, emsg

OUT = splice_insert(77, Fraction(1000), Fraction(4), is_out=True)
BACK = splice_insert(77, Fraction(1004), is_out=False)
SERVICE = (
    rb'#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="c",NAME="x",LANGUAGE="en",INSTREAM-ID="CC1"'
    rb'\n\1CLOSED-CAPTIONS="c",'
)
SECONDS = 13  # of the stream
PRESENT = splice_insert(5, None, is_out=True)  # at once: of a break that began long ago


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("marked-stream")


@pytest.fixture(scope="session")
def tracks(folder):
    made = make_stream(folder, SECONDS)
    said = (110, pop_on("HELLO")), (130, control(SHOW)), (200, control(CLEAR))
    for name in ("v", "w"):
        caption(folder / name, placed(*said))
    return made


@pytest.fixture
def job(tmp_path, folder, tracks):
    return CaptureJob(tmp_path, folder, tracks)


def in_playlists(lines):
    """Lines before segments, by their numbers; an hour's window is in the playlist at once."""

    def fault(path, found):
        if path == "/master.m3u8":
            return Answered(200, re.sub(rb"(#EXT-X-STREAM-INF:)", SERVICE, found.body))
        if path not in ("/v.m3u8", "/w.m3u8"):
            return found
        text = found.body.decode()
        for number, more in lines.items():
            before = rf"(#EXT-X-PROGRAM-DATE-TIME[^\n]*\n#EXTINF[^\n]*\n{path[1]}/{number}\.m4s)"
            text = re.sub(before, f"{more}\n\\1", text)
        return Answered(200, text.encode())

    return fault


def date(seconds):
    return told(BEGAN + Fraction(seconds), has_clock=True)


def by_tags():
    out, back = f"0x{OUT.hex()}", f"0x{BACK.hex()}"
    ranged = f'#EXT-X-DATERANGE:ID="x",START-DATE="{date(5)}"'
    return in_playlists({
        6: f"#EXT-X-CUE-OUT:4\n{ranged},PLANNED-DURATION=4,SCTE35-OUT={out}",
        8: "#EXT-X-CUE-OUT-CONT:ElapsedTime=2,Duration=4",
        10: f"#EXT-X-CUE-IN\n{ranged},DURATION=4,SCTE35-IN={back}",
        12: "#EXT-OATCLS-SCTE35:junk",
    })  # fmt: skip


def by_events():
    """In an MPD, and again in segments: of pictures and of sound."""
    events = "".join(
        f'<Event presentationTime="{900_000 + seconds * 90_000}" id="{seconds}">'
        f"{SIGNAL.format(base64.b64encode(one).decode())}</Event>"
        for seconds, one in ((5, OUT), (9, BACK))
    )

    def fault(path, found):
        if path == "/live.mpd":
            stream = STREAM.format("urn:scte:scte35:2014:xml+bin", events)
            return Answered(200, re.sub(rb"(<Period[^>]*>)", rb"\1" + stream.encode(), found.body))
        return in_segments(path, found)

    return fault


def in_segments(path, found):
    if path in ("/v/6.m4s", "/a/6.m4s"):
        return Answered(200, emsg(0, 0, OUT) + found.body)
    if path == "/v/9.m4s":
        return Answered(200, emsg(1, 9000, BACK) + found.body)
    return found


def frames(job):
    """At which frames the result has messages: by its playlists, and by its MPD."""
    found = [list(of_playlist(playlist.read_text())) for playlist in media(job)]
    assert len(found) == 3
    assert all(one == found[0] for one in found)
    [mpd] = job.target.glob("one_nodrm_*.mpd")
    marked = [
        [(marker.start, marker.out)] + ([(marker.end, marker.back)] if marker.back else [])
        for marker in read_markers(mpd.read_text())
    ]
    return found[0], [(round(at * 25), one) for pair in marked for at, one in pair]


def media(job):
    """The playlists of pictures and sound."""
    return [one for one in job.playlists() if not one.stem.endswith("_t1")]


def of_playlist(text):
    began = re.search(r"PROGRAM-DATE-TIME:(\S+)", text)[1]
    pattern = r'START-DATE="([^"]+)"(?:,DURATION=([\d.]+))?.*,SCTE35-(?:OUT|IN)=0x([0-9A-F]+)'
    for start, length, message in re.findall(pattern, text):
        at = datetime.fromisoformat(start) - datetime.fromisoformat(began)
        seconds = Fraction(round(at.total_seconds() * 1000), 1000) + Fraction(length or 0)
        yield round(seconds * 25), bytes.fromhex(message)


async def test_a_break_keeps_its_frames_whatever_form_tells_it(job):
    """A clip for each form: tags, events of an MPD and of segments, segments alone."""
    job.faults |= {"a.test": by_tags(), "b.test": by_events(), "c.test": in_segments}
    urls = ["http://a.test/master.m3u8", "http://b.test/live.mpd", "http://c.test/master.m3u8"]
    await job([{"source": url, "start": utc("4.32"), "end": utc("9.6")} for url in urls])
    by_hls, by_dash = frames(job)
    assert by_hls == by_dash
    shown = numbers(media(job)[0])
    assert [shown[at] for at, _ in by_hls] == [125, 225] * 3
    said = [read_message(message) for _, message in by_hls]
    assert [(one.is_out, one.event_id) for one in said] == [(True, 77), (False, 77)] * 3
    [warning] = job.warned()
    assert "an SCTE 35 message that cannot be read" in warning
    check_captions(job)


def check_captions(job):
    """The service inside the pictures is named, and its text is a track."""
    [master] = job.target.glob("one_nodrm_*.m3u8")
    text = master.read_text()
    assert re.search('TYPE=CLOSED-CAPTIONS,.*LANGUAGE="en",.*INSTREAM-ID="CC1"', text)
    assert text.count('CLOSED-CAPTIONS="CC"') == text.count("#EXT-X-STREAM-INF") == 2
    [mpd] = job.target.glob("one_nodrm_*.mpd")
    assert 'schemeIdUri="urn:scte:dash:cc:cea-608:2015" value="CC1=eng"' in mpd.read_text()
    [words] = job.target.glob("*.vtt")
    found = read_webvtt(words.read_text()).cues
    assert [(cue.start, cue.end, cue.text) for cue in found] == [
        (at + Fraction("0.88"), at + Fraction("3.68"), "HELLO")
        for at in (Fraction(0), Fraction("5.28"), Fraction("10.56"))
    ]


async def test_breaks_at_the_ends_of_a_range(job):
    """One began before it, one goes on behind it; of two clips in one result."""
    job.faults["a.test"] = in_playlists({
        2: f"#EXT-OATCLS-SCTE35:{base64.b64encode(PRESENT).decode()}\n#EXT-X-CUE-OUT",
        6: "#EXT-X-CUE-IN",
        10: "#EXT-X-CUE-OUT:DURATION=90",
    })  # fmt: skip
    clip = {"source": "http://a.test/master.m3u8", "start": utc("3.32"), "end": utc(11)}
    clip["filter"] = 'type=="audio"||type=="video"'
    await job([clip, clip])
    by_hls, by_dash = frames(job)
    assert by_hls == by_dash
    assert not list(job.target.glob("*.vtt"))  # the filter wants none
    length = 275 - 83
    assert [at for at, _ in by_hls] == [0, 42, 142, length, length + 42, length + 142]
    assert [read_message(one).duration for _, one in by_hls[2::3]] == [2, 2]
