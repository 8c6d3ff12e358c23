"""Caption files: what players show of them."""

import pytest

from taskengine.media.captions import from_subrip, has_cues, to_webvtt
from taskengine.model import PermanentFailure

CUE = "1\n00:00:01,000 --> 00:00:02,000\n{}\n"
STYLED = """WEBVTT

STYLE
::cue(.yellow) { color: yellow }

REGION
id:top
lines:2

00:01.000 --> 00:03.000 region:top align:start line:10% position:20%
<v Bob>Hello <c.yellow>you</c> &amp; me
"""


def cues(text):
    return from_subrip(text, "x.srt").removeprefix("WEBVTT\n\n").splitlines()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
async def test_captions_in_any_encoding_become_webvtt(bench, encoding):
    path, target = bench.folder / "in-0.srt", bench.folder / "words.vtt"
    path.write_text(CUE.format("Grüße aus Köln"), encoding=encoding)
    assert await to_webvtt(bench, path, target, "x_deu.srt")
    assert "00:00:01.000 --> 00:00:02.000\nGrüße aus Köln" in target.read_text()


async def test_webvtt_stays_as_it_is(bench):
    path, target = bench.folder / "in-0.vtt", bench.folder / "words.vtt"
    path.write_bytes(STYLED.replace("\n", "\r\n").encode("utf-16"))
    assert await to_webvtt(bench, path, target, "x.vtt")
    assert target.read_text() == STYLED


async def test_substation_alpha_becomes_webvtt(bench):
    path, target = bench.folder / "in-0.ass", bench.folder / "words.vtt"
    path.write_text(
        "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,Hello\n"
    )
    assert await to_webvtt(bench, path, target, "x.ass")
    assert "00:01.000 --> 00:02.000\nHello" in target.read_text()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("5 < 6 & I <3 U", "5 &lt; 6 &amp; I &lt;3 U"),
        ("<i>so</i> <B>big</B> <u>x</u>", "<i>so</i> <b>big</b> <u>x</u>"),
        ('<font color="red">red</font>', "red"),
        ("{\\i1}a --> b", "a --&gt; b"),
    ],
)
def test_signs_are_text_and_markup_is_markup(text, shown):
    assert cues(CUE.format(text))[1] == shown


@pytest.mark.parametrize(
    ("place", "setting"),
    [("", ""), ("{\\an8}", " line:0"), ("{\\an7}", " line:0 align:start"),
     ("{\\an5}", " line:50%"), ("{\\an3}", " align:end"), ("{\\an99}", "")],
)  # fmt: skip
def test_places_stay(place, setting):
    assert cues(CUE.format(f"{place}x"))[:2] == [f"00:00:01.000 --> 00:00:02.000{setting}", "x"]


def test_numbers_are_no_text_and_text_may_be_a_number():
    text = CUE.format("first\n\nparted") + "\n2\n0:00:04.5 --> 0:00:05.25 X1:0\n42\n\n"
    assert cues(text) == [
        "00:00:01.000 --> 00:00:02.000", "first", "parted", "",
        "00:00:04.500 --> 00:00:05.250", "42",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "\n\n", CUE.format("")])
def test_files_without_a_caption_are_known(text):
    assert not has_cues(from_subrip(text, "x.srt"))
    assert not has_cues("WEBVTT\n\nNOTE nothing\n")


@pytest.mark.parametrize("name", ["x.srt", "x.vtt"])
async def test_what_is_no_caption_file_is_refused_by_name(bench, name):
    path = bench.folder / f"in-0.{name[2:]}"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(PermanentFailure, match=rf"{name} is no caption file"):
        await to_webvtt(bench, path, bench.folder / "words.vtt", name)
