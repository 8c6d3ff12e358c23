"""Track selection expressions: what they let through, and what is wrong with others."""

import pytest

from taskengine.capture.filters import FilterWrong, read_filter
from taskengine.capture.model import SourceTrack

HIGH = SourceTrack("v1", "video", 2_400_000, "avc1.64001f", width=1280, height=720)
LOW = SourceTrack("v2", "video", 800_000, "hvc1.1.6", width=640, height=360)
DUTCH = SourceTrack("a1", "audio", 96_000, "mp4a.40.2", "dut")
ENGLISH = SourceTrack("a2", "audio", 0, "", "en-GB")
TEXT = SourceTrack("t1", "text", language="nl")
ALL = (HIGH, LOW, DUTCH, ENGLISH, TEXT)


def chosen(text):
    matches = read_filter(text)
    return [track for track in ALL if matches(track)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type=="audio"||type=="video"&&systemBitrate==2400000', [HIGH, DUTCH, ENGLISH]),
        ('(type=="audio"||type=="video")&&systemBitrate==2400000', [HIGH]),
        (r"type==\"audio\"", [DUTCH, ENGLISH]),
        ('type=="textstream"', [TEXT]),
        ("systemBitrate<1000000", [LOW, DUTCH]),
        ('systemBitrate<="800000"', [LOW, DUTCH]),
        ('systemLanguage=="nld"', [DUTCH, TEXT]),
        ('systemLanguage!="nl"', [ENGLISH]),
        ('FourCC=="H264"', [HIGH]),
        ('fourcc=="HEVC"', [LOW]),
        ('FourCC!="avc1"', [LOW, DUTCH]),
        ("height>=720", [HIGH]),
        ("MaxWidth<1000", [LOW]),
        (' ( type == "video" ) ', [HIGH, LOW]),
    ],
)
def test_what_is_let_through(text, expected):
    assert chosen(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected a name"),
        ('type=="video";rm -rf /', "unexpected"),
        ('__import__("os")', "expected"),
        ('kind=="x"', "no field 'kind'"),
        ('type<"video"', "expected == or !="),
        ('systemBitrate=="many"', "a number"),
        ('(type=="a"', r"expected '\)'"),
        ("type==", "a text or a number"),
        ("(" * 50 + 'type=="a"' + ")" * 50, "parentheses"),
        ("x" * 3000, "characters"),
        ('type=="video"&&', "expected a name"),
    ],
)
def test_what_is_wrong_is_said(text, reason):
    with pytest.raises(FilterWrong, match=reason):
        read_filter(text)
