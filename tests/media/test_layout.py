"""What the tables of an MP4 say of its samples, against what ffprobe reads of its packets."""

import json
import subprocess

import pytest

from taskengine.media.boxes import boxes
from taskengine.media.ffmpeg import ffmpeg, source
from taskengine.media.fragments import read_file_header, read_samples
from taskengine.media.ismv import combine
from taskengine.media.layout import layout_of
from taskengine.media.tables import read_track, shown_at
from taskengine.media.whole import check_boxes
from taskengine.model import PermanentFailure
from tests.media.players import decoded

OPEN = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "3", "-g", "25", "-x264-params",
        "open-gop=1:scenecut=0:b-pyramid=none", "-an"]  # fmt: skip
MADE = {
    "plain.mp4": ["-c", "copy"],
    "fragmented.mp4": ["-c", "copy", "-movflags", "frag_keyframe+empty_moov"],
    "negative.mp4": ["-c", "copy", "-movflags", "frag_keyframe+negative_cts_offsets"],
    "open.mp4": OPEN,
}


async def write(bench, name, film="high.mp4"):
    path = bench.folder / name
    await ffmpeg(bench, *source(bench.folder / film), "-map", "0:v", "-map", "0:a:0", *MADE[name],
                 f"file:{path}")  # fmt: skip
    return path


def packets(bench, path, stream):
    shown = ("-show_entries", "packet=pts_time,pos,flags", "-of", "json", "-select_streams")
    command = [bench.tools.ffprobe, "-v", "error", *shown, str(stream), str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    return json.loads(done.stdout)["packets"]


@pytest.mark.parametrize("name", ["plain.mp4", "fragmented.mp4"])
async def test_tables_say_what_packets_are(bench, tracks, name):
    path = await write(bench, name)
    for stream in (0, 1):
        header, samples = read_track(path, stream)
        found = packets(bench, path, stream)
        times = [time / header.scale for time in samples.shown]
        assert times == pytest.approx([float(one["pts_time"]) for one in found], abs=1e-4)
        assert list(map(bool, samples.keys)) == ["K" in one["flags"] for one in found]
        assert list(samples.places) == [int(one["pos"]) for one in found]


async def test_layouts_tell_what_players_stumble_over(bench, tracks):
    plain = layout_of(await write(bench, "plain.mp4"), 0, "video")
    assert (plain.is_open, plain.is_trimmed, plain.is_negative) == (False, False, False)
    assert (plain.entry, plain.longest) == ("avc1", 2.0)
    assert layout_of(await write(bench, "open.mp4"), 0, "video").is_open
    assert layout_of(await write(bench, "negative.mp4"), 0, "video").is_negative
    assert layout_of(bench.folder / "words.vtt", 0, "video").is_trimmed  # what cannot be read


async def test_the_picture_on_screen_is_the_last_that_came_up(bench, tracks):
    header, samples = read_track(await write(bench, "plain.mp4"), 0)
    asked = {0: 0, 2.51: 2.48, 2.52: 2.52, 5.97: 5.96, 3600: 5.96}
    assert {at: shown_at(header, samples, at) for at in asked} == asked


async def test_a_file_of_fragments_that_is_cut_off_is_refused(bench, tracks):
    path = await write(bench, "fragmented.mp4")
    await check_boxes(path, "x.mp4")
    whole = path.read_bytes()
    for size in (len(whole) - 30, len(whole) * 6 // 10):
        path.write_bytes(whole[:size])
        with pytest.raises(PermanentFailure, match=r"x\.mp4 is cut off"):
            await check_boxes(path, "x.mp4")


async def test_tracks_become_one_file_in_the_order_of_their_times(bench, tracks):
    files = []
    for number, stream in enumerate(("0:v", "0:a:0")):
        files.append(bench.folder / f"part-{number}.mp4")
        await ffmpeg(bench, *source(bench.folder / "high.mp4"), "-map", stream, "-c", "copy",
                     "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration",
                     "1000000", f"file:{files[-1]}")  # fmt: skip
    combine(files, bench.folder / "all.ismv")
    data = (bench.folder / "all.ismv").read_bytes()
    assert [kind for kind, *_ in boxes(data)][:2] == [b"ftyp", b"moov"]
    assert decoded(bench.folder / "all.ismv") == pytest.approx(6, abs=0.05)
    for kind, path in ((b"vide", files[0]), (b"soun", files[1])):
        one, other = (read_samples(file, read_file_header(file, kind))
                      for file in (path, bench.folder / "all.ismv"))  # fmt: skip
        assert one.shown == other.shown
        assert one.sizes == other.sizes
