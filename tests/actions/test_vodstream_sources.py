"""Sources as people have them, each of which some player or tool stumbles over as it is."""

import json
import re
import struct
from functools import partial
from pathlib import Path

import pytest
import trio

from taskengine.media.boxes import box, boxes, full
from taskengine.media.ffmpeg import ffmpeg, source
from taskengine.media.layout import layout_of
from taskengine.media.probe import probe
from taskengine.media.tables import keyframes, read_track
from taskengine.media.tools import Bench
from taskengine.model import BadInput, PermanentFailure
from taskengine.runtime.process import run_process
from tests.actions.jobs import WorkflowJob, workflow
from tests.media import players

WORKFLOW = workflow("vodstream")
DEFAULTS = {
    "content_id": "c",
    "source_folder": "in",
    "output_folder": "out",
    "create_thumbnail": False,
    "create_dref": False,
}
SECONDS = 4
ALMOST = pytest.approx(SECONDS, abs=0.1)
SUBTITLE = "1\n00:00:01,000 --> 00:00:02,000\nHello\n"
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-keyint_min", "50", "-bf", "3"]
CLOSED = [*X264, "-sc_threshold", "0", "-flags", "+cgop"]
OPEN = [*X264, "-x264-params", "open-gop=1:scenecut=0"]
COPY = ["-c", "copy"]
DASH = "{urn:mpeg:dash:schema:mpd:2011}"


async def make(bench):
    """small.mp4: pictures of 128x72 and English sound of 48 kHz, both from 0 on."""
    picture = f"testsrc2=size=128x72:rate=25:duration={SECONDS}"
    sound = f"sine=frequency=440:sample_rate=48000:duration={SECONDS}"
    await ffmpeg(bench, "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, *CLOSED,
                 "-c:a", "aac", "-metadata:s:a:0", "language=eng", "file:small.mp4")  # fmt: skip


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    trio.run(make, Bench(partial(run_process, cwd=folder), folder))
    return folder / "small.mp4"


@pytest.fixture
def job(tmp_path, small):
    return Job(tmp_path, small)


class Job(WorkflowJob):
    def __init__(self, tmp_path, small, job_id=7):
        super().__init__(WORKFLOW, tmp_path, DEFAULTS, job_id=job_id)
        self.small = small
        self.source, self.target = tmp_path / "input/in", tmp_path / "output/out"
        self.source.mkdir(parents=True, exist_ok=True)
        self.bench = Bench(partial(run_process, cwd=tmp_path), tmp_path)

    async def make(self, name, *arguments, opening=(), first=None):
        path = self.source / name
        opened = source(first or self.small, *opening)
        await ffmpeg(self.bench, *opened, *arguments, f"file:{path}")
        return path

    async def delayed(self, name, *maps, seconds):
        """A copy in which one of the tracks comes later."""
        late = source(self.small, "-itsoffset", str(seconds))
        picked = [part for one in maps for part in ("-map", one)]
        path = self.source / name
        await ffmpeg(self.bench, *source(self.small), *late, *picked, *COPY, f"file:{path}")

    @property
    def tracks(self):
        return self.results["inspect_source"]["tracks"]

    @property
    def master(self):
        return next(self.target.glob("c_*drm_*.m3u8")).read_text()

    @property
    def mpd(self):
        return next(self.target.glob("c_*drm_*.mpd")).read_text()

    def media(self, end):
        return next(self.target.glob(f"c_*{end}"))

    def variants(self):
        """Codecs and audio group of each variant."""
        return re.findall(r'#EXT-X-STREAM-INF:.*CODECS="(.*?)".*AUDIO="(.*?)"', self.master)


def shown(path, number=0):
    """The first and last time of a track, seconds."""
    header, samples = read_track(path, number)
    return min(samples.shown) / header.scale, max(samples.shown) / header.scale


async def test_ac3_gets_company_that_browsers_play(job):
    second = ["-map", "0:v", "-map", "0:a", "-map", "0:a", "-c:v", "copy", "-c:a:0", "ac3"]
    await job.make("film.mp4", *second, "-c:a:1", "aac", "-metadata:s:a:1", "language=fra")
    await job()
    assert [(t["codec"], t["language"]) for t in job.tracks[1:]] == [
        ("ac3", "eng"), ("aac", "eng"), ("aac", "fra")
    ]  # fmt: skip
    assert [(codecs.split(",")[1], group) for codecs, group in job.variants()] == [
        ("mp4a.40.2", "audio-aac"), ("ac-3", "audio-ac3")
    ]  # fmt: skip
    default = re.findall(r'GROUP-ID="(.*?)".*NAME="(.*?)",DEFAULT=YES', job.master)
    assert sorted(default) == [("audio-aac", "English"), ("audio-ac3", "English")]


async def test_pictures_begin_with_the_period_and_captions_count_from_it(job):
    """In copies of an MP4 by ffmpeg pictures begin 21 ms later, with the priming of AAC."""
    await job.make("film.mkv", *COPY)
    (job.source / "film_de.srt").write_text(SUBTITLE)
    await job()
    assert shown(job.media("_v1.mp4"))[0] == 0
    assert "presentationTimeOffset" not in job.mpd
    assert job.mpd.count("<SegmentBase") == 2  # of pictures and sound
    assert 'lang="de"' in job.mpd
    assert players.duration_of(next(job.target.glob("*.mpd"))) == ALMOST


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
async def test_open_groups_of_pictures_are_closed(job, name):
    await job.make(name, *OPEN, "-c:a", "copy")
    await job()
    made = job.media("_v1.mp4")
    assert not layout_of(made, 0, "video").is_open
    assert (await keyframes(made, 0))[:2] == pytest.approx([0, 2], abs=0.05)


async def test_a_second_job_does_not_package_what_the_first_has_made(job, tmp_path, small):
    """In a folder that is source and target."""
    await job.make("film.mp4", *COPY)
    same = {"output_root": "input_root", "output_folder": "in", "generate_mp4": True,
            "trickplay": True, "combine_sources": True, "create_dref": True}  # fmt: skip
    await job(**same, preview_thumbnails=True)
    second = Job(tmp_path, small, job_id=8)
    await second(**same)
    assert [track["file"] for track in second.tracks] == ["film.mp4", "film.mp4"]
    assert second.warned() == []


async def test_hevc_has_the_sample_entry_that_apple_takes(job):
    await job.make("film.mp4", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
                   "log-level=error", "-an")  # fmt: skip
    assert layout_of(job.source / "film.mp4", 0, "video").entry == "hev1"
    await job()
    assert layout_of(job.media("_v1.mp4"), 0, "video").entry == "hvc1"
    assert 'codecs="hvc1.' in job.mpd


async def test_high_dynamic_range_becomes_standard_where_it_is_encoded(job):
    hlg = "format=yuv422p10le,setparams=color_trc=arib-std-b67:color_primaries=bt2020:colorspace=bt2020nc"  # noqa: E501
    await job.make("film.mov", "-vf", hlg, "-c:v", "prores_ks", "-t", "1", "-an")
    await job()
    [stream] = (await probe(job.bench, job.media("_v1.mp4"))).streams
    assert (stream.transfer, stream.pixel_format) == ("bt709", "yuv420p")
    assert "VIDEO-RANGE=HLG" not in job.master


async def test_sound_that_goes_on_is_not_cut(job, tmp_path):
    picture = tmp_path / "picture.mp4"
    await ffmpeg(job.bench, *source(job.small), "-map", "0:v", "-frames:v", "1", *COPY,
                 f"file:{picture}")  # fmt: skip
    both = [*source(picture), *source(job.small), "-map", "0:v", "-map", "1:a", *COPY]
    await ffmpeg(job.bench, *both, f"file:{job.source / 'film.mp4'}")
    extras = await job()
    assert extras["metadata"]["duration"] == ALMOST
    assert players.duration_of(next(job.target.glob("*.mpd"))) == ALMOST


async def test_one_programme_of_several_is_taken(job):
    programmes = ["-program", "title=ONE:st=0:st=1", "-program", "title=TWO:st=2:st=3"]
    both = ["-map", "0:v", "-map", "0:a", "-map", "0:v", "-map", "0:a"]
    await job.make("film.ts", *both, *COPY, *programmes)
    await job()
    assert [track["type"] for track in job.tracks] == ["video", "audio"]
    assert [line.partition(") ")[2] for line in job.warned()] == [
        "is left out: it is of another programme"
    ] * 2


async def test_a_second_angle_is_no_rendition(job):
    await job.make("film.mkv", "-map", "0:v", "-map", "0:a", "-map", "0:v", *COPY)
    await job()
    assert [track["type"] for track in job.tracks] == ["video", "audio"]
    assert job.warned() == [
        "film.mkv: stream 2 (video) is left out: the pictures are those of stream 0"
    ]


@pytest.mark.parametrize("name", ["late.mkv", "late.ts", "late.mp4"])
@pytest.mark.parametrize("track", ["sound", "pictures"])
async def test_tracks_may_begin_at_other_times(job, name, track):
    """Silence stands before late sound, and the first picture before late pictures."""
    maps = ("0:v", "1:a") if track == "sound" else ("1:v", "0:a")
    await job.delayed(name, *maps, seconds=0.7)
    extras = await job()
    video, audio = shown(job.media("_v1.mp4")), shown(job.media("_a1.mp4"))
    assert video[0] == pytest.approx(0, abs=0.05)
    assert audio[0] == pytest.approx(0, abs=0.05)
    assert extras["metadata"]["duration"] == pytest.approx(SECONDS + 0.7, abs=0.1)
    ends = {"sound": (3.96, 4.7), "pictures": (4.66, 4.0)}[track]
    assert (video[1], audio[1]) == pytest.approx(ends, abs=0.1)


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4"])
async def test_times_may_begin_anywhere(job, name):
    await job.make(name, *COPY, "-output_ts_offset", "26.5")
    extras = await job()
    assert extras["metadata"]["duration"] == ALMOST
    assert shown(job.media("_v1.mp4"))[0] == pytest.approx(0, abs=0.05)


async def test_cover_art_is_no_damage(job):
    path = await job.make("film.mp4", *COPY)
    data = path.read_bytes()
    covered = with_cover(data)
    path.write_bytes(covered)
    shown_streams = (await probe(job.bench, path)).streams
    assert len(shown_streams) == 2
    await job()
    assert len(job.tracks) == 2


def with_cover(data):
    """An MP4 whose `moov` is its last box, with a PNG as iTunes has it."""
    [*_, (kind, start, end)] = boxes(data)
    assert (kind, end) == (b"moov", len(data))
    png = bytes.fromhex("89504e470d0a1a0a") + bytes(60)
    cover = box(b"covr", box(b"data", struct.pack(">II", 14, 0), png))
    handler = full(b"hdlr", bytes(4), b"mdir", b"appl", bytes(9))
    meta = box(b"udta", full(b"meta", handler, box(b"ilst", cover)))
    kept = [data[at - 8 : until] for kind, at, until in boxes(data, start) if kind != b"udta"]
    return data[: start - 8] + box(b"moov", *kept, meta)


async def test_av1_is_packaged_without_pictures(job):
    await job.make("film.mp4", "-t", "1", "-an", "-c:v", "libsvtav1", "-preset", "12")
    await job(create_thumbnail=True, preview_thumbnails=True, trickplay_thumbnails=True)
    assert job.warned() == ["no pictures can be taken of AV1, which is packaged as it is"]
    assert 'CODECS="av01' in job.master
    assert not list(job.target.glob("*.jpg"))
    with pytest.raises(PermanentFailure, match=r"film\.mp4: its av1 .* cannot decode"):
        await job(encode_source=True)


@pytest.mark.parametrize(
    ("name", "text"), [("a.vtt", "WEBVTT\n\n"), ("a.srt", ""), ("a.vtt", "WEBVTT\n\nNOTE x\n")]
)
async def test_captions_that_say_nothing_are_left_out(job, name, text):
    await job.make("film.mp4", *COPY)
    (job.source / name).write_text(text)
    await job()
    assert job.warned() == [f"{name} is left out: there is no caption in it"]


async def test_a_stream_of_captions_that_says_nothing_is_left_out(job, tmp_path):
    (tmp_path / "words.srt").write_text(SUBTITLE)
    words = ["-map", "0", "-map", "1", "-c", "copy", "-c:s", "srt"]
    film = job.source / "film.mkv"
    inputs = [*source(job.small), *source(tmp_path / "words.srt")]
    await ffmpeg(job.bench, *inputs, *words, "-t", "0.9", f"file:{film}")
    await job()
    assert [track["type"] for track in job.tracks] == ["video", "audio"]
    assert [line for line in job.warned() if "no caption in it" in line]


@pytest.mark.parametrize("position", ["3.97", "00:00:03.9999", "400"])
async def test_a_still_of_the_last_moment_is_the_last_picture(job, position):
    await job.make("film.mp4", *COPY)
    await job(create_thumbnail=True, thumbnail_time=position)
    assert (job.target / "c_thumbnail.jpg").stat().st_size
    assert len(job.warned()) == (position == "400")


async def test_a_still_that_cannot_be_made_does_not_undo_a_film(job, monkeypatch):
    async def fail(*_):
        raise PermanentFailure("there is no picture")

    monkeypatch.setattr("taskengine.actions.thumbnail.still", fail)
    await job.make("film.mp4", *COPY)
    await job(create_thumbnail=True)
    assert job.warned() == ["thumbnail of film.mp4 cannot be made: there is no picture"]
    assert job.master


async def test_a_fragmented_film_that_is_cut_off_is_refused_by_name(job):
    path = await job.make("My Film.mp4", *COPY, "-movflags", "frag_keyframe+empty_moov")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(PermanentFailure, match=r"^My Film\.mp4 is cut off"):
        await job()


async def test_a_file_without_tracks_says_so(job):
    (job.source / "none.mp4").write_bytes(
        box(b"ftyp", b"isom", bytes(4)) + box(b"moov", full(b"mvhd", bytes(96)))
    )
    with pytest.raises(PermanentFailure, match=r"none\.mp4: there is no video, audio or text"):
        await job()


async def test_the_kinds_that_are_taken_are_told(job):
    (job.source / "demo.wmv").write_bytes(b"x")
    with pytest.raises(PermanentFailure, match=r"no media file among: demo\.wmv; .* \.mp4 "):
        await job()


async def test_properties_of_a_file_that_is_not_there_are_told(job):
    await job.make("film.mp4", *COPY)
    await job(file_properties={"flim.mp4": {"language": "nld"}})
    assert job.warned() == ["file_properties: there is no file 'flim.mp4' in the source folder"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"encoding_mode": "THREE_PASS"}, "encoding_mode: is for an external encoder"),
        ({"encoding_region": "AWS_EU"}, "encoding_region: is for an external encoder"),
        ({"encoder_version": "BETA"}, "encoder_version: is for an external encoder"),
        ({"encoding_profile": "H265"}, "encoding_profile: nothing is encoded"),
        ({"extract_audio": True}, "extract_audio: is of use with encode_source alone"),
        ({"playready_key": "00" * 16}, "encrypt_ismv: nothing is encrypted with playready_key"),
        ({"mezzanine": True}, "mezzanine: no MP4 is made"),
        ({"cpix": True}, "cpix: nothing is encrypted in this job"),
    ],
)
async def test_a_parameter_that_changes_nothing_is_told(job, more, told):
    await job.make("film.mp4", *COPY)
    await job(**more)
    [line] = job.warned()
    assert line.startswith(told)


@pytest.mark.parametrize("profile", ["H265", "AV1"])
async def test_renditions_have_the_codec_of_the_profile(job, profile):
    await job.make("film.mp4", "-t", "1", *COPY)
    more = {"create_thumbnail": True, "trickplay_thumbnails": True}
    await job(encode_source=True, encoding_profile=profile.lower(), **more)
    assert job.tracks[0]["codec"] == {"H265": "hevc", "AV1": "av1"}[profile]
    assert (job.target / "c_thumbnail.jpg").exists()  # of AV1: of the source


@pytest.mark.parametrize(("extracted", "is_same"), [(True, True), (False, False)])
async def test_sound_of_an_encoded_source_is_as_it_was_or_encoded_anew(job, extracted, is_same):
    path = await job.make("film.mp4", "-t", "1", *COPY)
    await job(encode_source=True, extract_audio=extracted)
    sizes = read_track(path, 1)[1].sizes
    assert (list(read_track(job.media("_a1.mp4"), 0)[1].sizes) == list(sizes)) is is_same


async def test_all_tracks_in_one_file_in_the_clear_and_encrypted(job):
    await job.make("film.mp4", *COPY)
    await job(combine_sources=True)
    [clear] = job.target.glob("*.ismv")
    assert [t.type for t in (await probe(job.bench, clear)).tracks] == ["video", "audio"]
    assert players.decoded(clear) == ALMOST
    key = "00112233445566778899aabbccddeeff"
    await job(encrypt_ismv=True, playready_key=key, output_folder="locked")
    [locked] = (job.target.parent / "locked").glob("*.ismv")
    assert players.decoded(locked, key=key) == ALMOST
    with pytest.raises(players.Undecodable):
        players.decoded(locked)
    said = json.dumps([job.results, [line for _, line in job.lines]])
    assert key not in said


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("content_id", "x" * 200, "at most 150 bytes"),
        ("content_id", "a\nb", "control characters"),
        ("mp4_filename", "x" * 300, "at most 150 bytes"),
        ("source_folder", "../x", 'without ".."'),
        ("output_folder", "/", "a folder below the root"),
        ("encoding_profile", "MPEG2", "one of H264, H265, AV1"),
        ("playready_key", "short", "32 hexadecimal digits"),
        ("thumbnail_time", "soon", "a position in seconds"),
    ],
)
async def test_what_cannot_work_is_refused_at_once_in_words(job, name, value, told):
    with pytest.raises(BadInput, match=rf"parameters\.{name}: .*{re.escape(told)}|{told}") as bad:
        await job(**{name: value})
    assert r"\." not in str(bad.value)
    assert Path("c") not in job.target.glob("*")
