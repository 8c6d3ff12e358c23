"""Captions: on the timeline whatever they count from, cut to the spans, joined again."""

import struct
from fractions import Fraction

import pytest

from taskengine.capture.assembly import Assembler
from taskengine.capture.clock import Clock, Mapping, Step
from taskengine.capture.cues import Cue, read_webvtt, write_webvtt
from taskengine.capture.model import Fetched, Resource, Segment, SourceRefused
from taskengine.capture.pieces import Span
from taskengine.capture.text import WRAP, TextCutter
from taskengine.capture.ttml import read_ttml
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage

ZERO = Fraction(1_925_000_000)
SPAN = [Span(ZERO, ZERO + 20)]


def clock(media):
    """The picture at ZERO has `media` seconds in its file."""
    return Clock(0, ZERO - 60, ZERO + 60, Mapping((Step(Fraction(media), ZERO - media),)))


@pytest.fixture
def cutter(tmp_path):
    folder = tmp_path / "stored"
    folder.mkdir()

    def made(files, media=0, init=b""):
        fetched = []
        (folder / "init").write_bytes(init)
        for number, data in enumerate(files):
            name = f"{number}"
            (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
            start = ZERO + 4 * number
            one = Segment(number, start, Fraction(4), Resource("u"))
            fetched.append(Fetched("text-1", 0, one, name, "init" if init else ""))
        stored = Folder(LocalStorage([folder]), str(folder), "")
        return TextCutter(Assembler(stored, tmp_path), [clock(media)]), fetched

    return made


def shown(cues):
    return [(float(cue.start), float(cue.end), cue.text) for cue in cues]


async def test_times_on_the_clock_of_mpeg_ts_may_have_wrapped(cutter):
    start = WRAP - 2  # the clock begins anew two seconds into the film
    head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{}\n\n00:01.500 --> 00:03.000\n{}\n"
    files = [head.format(int(start * 90_000), "one"), head.format(2 * 90_000, "two")]
    text, fetched = cutter(files, media=start)
    assert shown(await text.cues(fetched, SPAN)) == [(1.5, 3, "one"), (5.5, 7, "two")]


async def test_times_without_a_map_count_from_the_segment_or_from_the_media(cutter):
    cue = "WEBVTT\n\n{} --> {}\n{}\n"
    of_segment = [cue.format("00:01.000", "00:02.000", n) for n in range(2)]
    of_media = [cue.format(f"00:0{4 * n + 1}.000", f"00:0{4 * n + 2}.000", n) for n in range(2)]
    for files in (of_segment, of_media):
        text, fetched = cutter(files)
        assert shown(await text.cues(fetched, SPAN)) == [(1, 2, "0"), (5, 6, "1")]


async def test_cues_are_cut_at_the_edges_and_joined_over_segments_and_pieces(cutter):
    files = ["WEBVTT\n\n00:02.000 --> 00:04.000 line:0\nlong\n"]
    files += ["WEBVTT\n\n00:00.000 --> 00:03.000 line:0\nlong\n"]
    text, fetched = cutter(files)
    found = await text.cues(fetched, [Span(ZERO + 3, ZERO + 5), Span(ZERO + 6, ZERO + 9)])
    assert shown(found) == [(0, 3, "long")]
    assert write_webvtt(found) == "WEBVTT\n\n00:00:00.000 --> 00:00:03.000 line:0\nlong\n"


TTML = """<tt xmlns="http://www.w3.org/ns/ttml" xmlns:p="http://www.w3.org/ns/ttml#parameter"
 p:frameRate="25" p:tickRate="1000"><body><div begin="1s"><p begin="00:00:00:05" dur="500t">A
 <span>&amp; B</span><br/>C</p><p><span begin="1s" end="2s">D</span></p></div></body></tt>"""


def test_documents_of_ttml_give_texts_and_times():
    assert shown(read_ttml(TTML.encode())) == [(1.2, 1.7, "A\n&amp; B\nC"), (2, 3, "D")]


@pytest.mark.parametrize("data", ["<tt", '<!DOCTYPE a [<!ENTITY b "c">]><tt>&b;</tt>'])
def test_documents_that_are_none_are_refused(data):
    with pytest.raises(SourceRefused):
        read_ttml(data.encode())


def box(kind, *parts):
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def fragment(time, *parts):
    """Samples of a second each."""
    sizes = b"".join(struct.pack(">I", len(one)) for one in parts)
    head = struct.pack(">I", 0)
    tfhd = box(b"tfhd", struct.pack(">III", 0x020008, 1, 1000))
    tfdt = box(b"tfdt", struct.pack(">II", 0, time))

    def moof(offset):
        trun = box(b"trun", struct.pack(">IIi", 0x201, len(parts), offset), sizes)
        return box(b"moof", box(b"mfhd", head, head), box(b"traf", tfhd, tfdt, trun))

    return moof(len(moof(0)) + 8) + box(b"mdat", *parts)


MDHD = box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, 1000, 0, 0))


async def test_webvtt_in_mp4_is_read_from_its_samples(cutter):
    cue = box(b"vttc", box(b"sttg", b"line:0"), box(b"payl", b"hello"))
    data = fragment(90_000, box(b"vtte"), cue, cue)
    text, fetched = cutter(
        [data], init=box(b"moov", box(b"trak", box(b"mdia", MDHD, b""))) + b"wvtt"
    )
    assert await text.cues(fetched, SPAN) == [Cue(Fraction(1), Fraction(3), "hello", "line:0")]


@pytest.mark.parametrize("counted_from", [0, 90])
async def test_ttml_in_mp4_counts_from_its_sample_or_from_the_media(cutter, counted_from):
    document = f'<tt><body><p begin="{counted_from}.2s" end="{counted_from}.6s">x</p></body></tt>'
    data = fragment(90_000, document.encode())
    text, fetched = cutter([data], init=box(b"moov", box(b"trak", box(b"mdia", MDHD))) + b"stpp")
    assert shown(await text.cues(fetched, SPAN)) == [(0.2, 0.6, "x")]


def test_what_cannot_be_read_of_webvtt_is_passed_over():
    said = read_webvtt("WEBVTT - x\r\n\r\nNOTE hi\r\n\r\n1\r\n00:01.000 --> 00:02.000\r\na\r\nb\r\n"
                       "\r\n00:05.000 --> 00:04.000\r\nno\r\n\r\nnonsense")  # fmt: skip
    assert shown(said.cues) == [(1, 2, "a\nb")]
