"""Stills, sprites and the MP4 on demand."""

import re

import pytest
from PIL import Image

from taskengine.media.mp4 import choose, make_mp4
from taskengine.media.probe import probe
from taskengine.media.sample import RATE
from taskengine.media.thumbnail import seconds, sprite, still
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure
from tests.media import players
from tests.media.conftest import SECONDS


def frame_number(image, height=180):
    """The number that a picture of the sample film carries as a bar code."""
    width = image.width / 16
    row = image.convert("L").resize((image.width, height))
    dots = [row.getpixel((int((bit + 0.5) * width), height // 22)) for bit in range(16)]
    return sum((dot > 125) << bit for bit, dot in enumerate(dots))


@pytest.mark.parametrize(
    ("position", "frame"), [(0, 0), (2.52, 63), (5.96, 149), (SECONDS, 149), (3600, 149)]
)
async def test_a_still_is_the_frame_at_its_time(bench, tracks, tmp_path, position, frame):
    await still(bench, tracks[0], position, tmp_path / "still.jpg")
    image = Image.open(tmp_path / "still.jpg")
    assert image.format == "JPEG"
    assert image.size == (320, 180)
    assert frame_number(image) == frame


@pytest.mark.parametrize(
    ("text", "value"), [(0, 0), ("7.5", 7.5), ("1:34.000", 94), ("00:04:03.1200000", 243.12)]
)
def test_positions_come_as_seconds_or_as_clock_times(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "-1", "one", "2026-02-01T00:00:00Z", "1:2:3:4"])
def test_what_is_no_position_is_refused(text):
    with pytest.raises(PermanentFailure):
        seconds(text)


@pytest.mark.parametrize(("interval", "cells"), [(2, [0, 50, 100]), (10, [0])])
async def test_a_sprite_shows_each_interval(bench, tracks, tmp_path, interval, cells):
    heard = []

    async def on_progress(fraction):
        heard.append(fraction)

    text = await sprite(
        bench, tracks[0], interval, tmp_path / "p_sprite.jpg", on_progress=on_progress
    )
    image = Image.open(tmp_path / "p_sprite.jpg")
    places = re.findall(r"p_sprite\.jpg#xywh=(\d+),(\d+),(\d+),(\d+)", text)
    shown = []
    for place in places:
        x, y, width, height = map(int, place)
        assert (width, height) == (160, 90)
        shown.append(frame_number(image.crop((x, y, x + width, y + height)), 90))
    assert shown == cells
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert f"--> 00:00:0{SECONDS}.000" in text
    assert all(0 <= fraction <= 1 for fraction in heard)


async def test_the_mp4_has_the_best_tracks_or_all(bench, tracks, tmp_path):
    await make_mp4(bench, tracks, tmp_path / "best.mp4")
    best = await probe(bench, tmp_path / "best.mp4")
    assert [(t.type, t.width) for t in best.tracks] == [("video", 320), ("audio", 0)]
    await make_mp4(bench, tracks, tmp_path / "all.mp4", mezzanine=True)
    every = await probe(bench, tmp_path / "all.mp4")
    assert [t.type for t in every.tracks] == ["video", "video", "audio", "audio"]
    assert [t.language for t in every.tracks[2:]] == ["eng", "deu"]
    for made in ("best.mp4", "all.mp4"):
        assert players.decoded(tmp_path / made) == pytest.approx(SECONDS, abs=1 / RATE)


def test_sound_for_few_listeners_is_not_the_best():
    audio = [Track("audio", "a", bitrate=2, kind="descriptions"), Track("audio", "b", bitrate=1)]
    assert choose(audio, mezzanine=False) == [audio[1]]
