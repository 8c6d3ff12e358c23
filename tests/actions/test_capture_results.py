"""What a capture can be asked to make: filled gaps, the source's own times, a dref MP4, sound that
is copied; from the workflow's file on real pictures and sound."""

import re
import struct
from fractions import Fraction
from itertools import pairwise

import pytest
from PIL import Image

from taskengine.media.fragments import read_file_header, read_samples
from tests.actions.captures import FRAME, HLS, utc
from tests.capture.film import ROWS, WIDTH, beeps, ffmpeg, numbers, packet_times
from tests.capture.origin import Answered


def lacking(*names):
    return lambda path, found: Answered(404) if path in names else found


async def test_gaps_are_filled_to_the_frame_and_the_sample(job, monkeypatch):
    monkeypatch.setattr("taskengine.capture.demand.PATIENCE", 0.3)
    gone = [f"/{name}/{n}.m4s" for name in "vw" for n in (3, 7, 8, 12)]
    job.faults["a.test"] = lacking(*gone, "/a/8.m4s")
    clip = {"source": "http://a.test/live.mpd", "start": utc("2.4"), "end": utc("11.6")}
    extras = await job([clip], missing_content="fill")
    black = {n for first, last in ((60, 75), (150, 200), (275, 290)) for n in range(first, last)}
    *pictures, sound = job.playlists()
    for playlist in pictures:
        assert numbers(playlist) == [0 if n in black else n for n in range(60, 290)]
        assert brightness(playlist)[90:140] == pytest.approx([0] * 50, abs=2)
        assert {b - a for a, b in pairwise(packet_times(playlist))} == {FRAME}
    silence = [sum(job.origin.tracks[2].durations[:n]) - Fraction("2.4") for n in (7, 8)]
    quiet = [s for s in beeps(sound, *HLS) if silence[0] - FRAME < s < silence[1] + FRAME]
    expected = [n - 2.4 for n in range(3, 12) if not silence[0] <= n - 2.4 <= silence[1]]
    assert [s for s in beeps(sound, *HLS) if s not in quiet] == pytest.approx(
        [s for s in expected if not silence[0] - FRAME < s < silence[1] + FRAME], abs=0.001
    )
    assert extras["metadata"]["duration"] == pytest.approx(9.2)
    assert extras["metadata"]["gaps"] == [
        {"clip": 0, "from": utc(a), "to": utc(b), "filled": True}
        for a, b in (("2.4", 3), (6, 8), (11, "11.6"))
    ]


def brightness(path):
    """Of a place in the middle of each picture."""
    chosen = f"crop={WIDTH // 2}:{ROWS}:{WIDTH // 4}:100,scale=1:1:flags=area"
    shape = ("-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-")
    return list(ffmpeg("-i", path, "-vf", chosen, *shape))


async def test_the_times_of_the_source_are_kept(job):
    clip = {"source": "http://a.test/master.m3u8", "start": utc("3.32"), "end": utc("9.6")}
    extras = await job([clip], copy_ts=True, generate_mp4=True)
    expected = list(range(83, 240))
    [first] = packets_of(job, "v")[:1]
    kept = first + Fraction("3.32")
    [picture] = job.target.glob("one_*_v1.mp4")
    [sound] = job.target.glob("one_*_a1.mp4")
    times = packet_times(picture)
    assert (times[0], times[-1]) == (kept, kept + (len(expected) - 1) * FRAME)
    begins = packet_times(sound, "a:0")[0]
    assert kept - Fraction(3072, 48000) < begins <= kept
    [mpd] = job.target.glob("one_nodrm_*.mpd")
    offsets = re.findall(r'timescale="(\d+)" presentationTimeOffset="(\d+)"', mpd.read_text())
    assert {Fraction(int(ticks), int(scale)) for scale, ticks in offsets} == {kept}
    for playlist in job.playlists():
        assert playlist.read_text().count(f"#EXT-X-PROGRAM-DATE-TIME:{utc('3.32')}\n") == 1
    assert numbers(job.playlists()[0]) == expected
    assert numbers(job.target / "one.mp4") == expected
    assert beeps(job.target / "one.mp4") == pytest.approx(
        [s - 3.32 for s in range(4, 10)], abs=0.001
    )
    assert extras["metadata"]["duration"] == 6.28


def packets_of(job, name):
    """When the source's first picture is shown, by its own clock."""
    whole = job.tmp_path / "source.mp4"
    parts = [job.origin.folder / name / file for file in ("init.mp4", "1.m4s")]
    whole.write_bytes(b"".join(path.read_bytes() for path in parts))
    return packet_times(whole)


async def test_a_dref_mp4_refers_to_the_clear_media(job):
    clip = {"source": "http://a.test/live.mpd", "start": utc("3.32"), "end": utc("6.6")}
    extras = await job([clip])
    [dref] = job.target.glob("one_*_dref.mp4")
    assert str(dref) in extras["files"]
    data = dref.read_bytes()
    assert b"mdat" not in data
    names = re.findall(rb"url \0\0\0\0([^\0]+)\0", data)
    assert [name.decode()[-6:] for name in names] == ["v1.mp4", "v2.mp4", "a1.mp4"]
    whole = own_media(job.target, data, names)
    for stream in ("0:v:0", "0:v:1"):
        assert numbers(whole, stream) == list(range(83, 165))
    assert beeps(whole) == pytest.approx([0.68, 1.68, 2.68], abs=0.001)


def own_media(folder, data, names):
    """The same MP4 with the media that it refers to in it, as a reader would find it."""
    shift, places, whole = len(data) + 8, {}, bytearray(data)
    media = b""
    for name in names:
        places[name] = shift + len(media)
        media += (folder / name.decode()).read_bytes()
    at = 0
    for name in names:
        reference = whole.index(b"url \0\0\0\0" + name)
        whole[reference + 4 : reference + 8] = b"\0\0\0\1"
        at = whole.index(b"co64", reference)
        [number] = struct.unpack_from(">I", whole, at + 8)
        for n in range(number):
            [place] = struct.unpack_from(">Q", whole, at + 12 + 8 * n)
            struct.pack_into(">Q", whole, at + 12 + 8 * n, place + places[name])
    made = folder.parent / "whole.mp4"
    made.write_bytes(bytes(whole) + struct.pack(">I4s", 8 + len(media), b"mdat") + media)
    return made


async def test_protected_media_alone_has_no_dref_mp4(job):
    clip = {"source": "http://a.test/live.mpd", "start": utc(3), "end": utc(5)}
    await job([clip], drm=["widevine"], create_dref=True)
    assert list(job.target.glob("*dref*")) == []
    assert any("no dref MP4" in line for _, line in job.lines)


async def test_sound_without_a_joint_is_copied_and_ends_with_its_pictures(job):
    clip = {"source": "http://a.test/live.mpd", "start": utc("3.32"), "end": utc(7)}
    await job([clip])
    [made] = (job.tmp_path / "workspace").glob("*/cut-1/audio-1.mp4")
    init, data = job.origin.folder / "a/init.mp4", made.read_bytes()
    own = [one for path in job.origin.folder.glob("a/[0-9]*.m4s") for one in samples_of(path, init)]
    assert sum(one in data for one in own if len(one) > 16) >= 12  # those of three beeps
    assert beeps(made) == pytest.approx([0.68, 1.68, 2.68], abs=0.001)  # none at its end


def samples_of(path, init):
    header = read_file_header(init, b"soun")
    found, data = read_samples(path, header), path.read_bytes()
    return [data[a : a + n] for a, n in zip(found.places, found.sizes, strict=True)]


async def test_at_most_two_groups_are_encoded_for_a_joint(job):
    clips = [
        {"source": "http://a.test/live.mpd", "start": utc(a), "end": utc(b)}
        for a, b in (("1.2", "5.48"), ("7.64", "12.2"), ("3", "6"))
    ]
    await job(clips)
    said = [line for _, line in job.lines if "encoded anew" in line]
    assert [re.findall(r"\d+", line)[1:] for line in said] == [["46", "296", "4"]] * 2


async def test_thumbnails_for_trickplay_are_images_of_tiles(job):
    clip = {"source": "http://a.test/live.mpd", "start": utc(0), "end": utc("15.6")}
    more = {"interval": 1, "size": 160, "quality": 90}
    names = {f"trickplay_thumbnail_{name}": value for name, value in more.items()}
    await job([clip], trickplay=True, **names)
    images = sorted(job.target.glob("*_tiles_*.jpg"))
    assert len(images) == 1  # 16 of at most 25
    [mpd] = job.target.glob("one_nodrm_*.mpd")
    said = mpd.read_text()
    assert 'thumbnail_tile" value="5x5"' in said
    assert f'media="{images[0].name.replace("_1.jpg", "_$Number$.jpg")}"' in said
    assert 'duration="25000"' in said
    [master] = job.target.glob("one_nodrm_*.m3u8")
    named = re.search(r'#EXT-X-IMAGE-STREAM-INF:.*URI="(.*)"', master.read_text())[1]
    playlist = (job.target / named).read_text()
    assert "#EXT-X-TILES:RESOLUTION=160x96,LAYOUT=5x5,DURATION=1\n" + images[0].name in playlist
    with Image.open(images[0]) as image:
        assert image.size == (800, 480)
        assert [cell_number(image, place) for place in range(16)] == [25 * n for n in range(16)]


def cell_number(image, place):
    """The number that the picture of a tile says."""
    left, top = place % 5 * 160, place // 5 * 96
    cell = image.convert("L").crop((left, top, left + 160, top + 6))
    return sum((cell.getpixel((10 * bit + 5, 3)) > 125) << bit for bit in range(16))
