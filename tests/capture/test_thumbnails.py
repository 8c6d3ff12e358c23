"""Thumbnails of sources: how manifests describe them, and how they are laid out for a clip."""

from fractions import Fraction

import pytest
from PIL import Image

from taskengine.capture.checking import is_whole
from taskengine.capture.model import Fetched, Resource, Segment, SourceRefused, TileLayout, Window
from taskengine.capture.pieces import Span
from taskengine.capture.recording import Recording
from taskengine.capture.sources.dash import read_mpd
from taskengine.capture.sources.hls_master import read_master
from taskengine.capture.sources.hls_media import MediaPlaylist
from taskengine.capture.streams import on_clock
from taskengine.capture.thumbnails import ClipImages, layout_of, made_images, tiles
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from tests.capture.thumbnails import draw, drawn

URL = "http://origin.test/live/a?token=7"
MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360
v.m3u8
#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=9000,RESOLUTION=160x90,CODECS="jpeg",URI="i.m3u8"
"""
IMAGES = """#EXTM3U
#EXT-X-TARGETDURATION:50
#EXT-X-IMAGES-ONLY
#EXTINF:50,
#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=5x2,DURATION=5
1.jpg
#EXTINF:12.5,
#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=5x2,DURATION=5
2.jpg
#EXTINF:4,
3
#EXT-X-ENDLIST
"""
MPD = """<MPD type="static" mediaPresentationDuration="PT90S"><Period>
<AdaptationSet contentType="image" mimeType="image/jpeg">
<SegmentTemplate media="$RepresentationID$/$Number$.jpg" duration="40" startNumber="1"/>
<Representation id="i" bandwidth="9000" width="640" height="360">
<EssentialProperty schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" value="4x4"/>
</Representation></AdaptationSet></Period></MPD>"""


def test_a_multivariant_playlist_offers_tracks_of_images():
    master = read_master(MASTER, URL)
    *_, found = master.tracks
    assert (found.type, found.codec, found.bitrate) == ("image", "jpeg", 9000)
    assert (found.width, found.height) == (160, 90)
    assert master.playlists[found.id] == "http://origin.test/live/i.m3u8"


def test_an_image_playlist_says_how_each_image_is_laid_out():
    found = MediaPlaylist("image").read(IMAGES, URL).segments
    assert {one.form for one in found} == {"image"}
    assert [one.tiles for one in found] == [TileLayout(5, 2, 5)] * 2 + [TileLayout(1, 1, 4)]


def test_a_set_of_images_in_an_mpd_is_a_track():
    mpd = read_mpd(MPD, URL, Fraction(0))
    [track] = mpd.tracks
    assert (track.type, track.codec, track.width, track.height) == ("image", "jpeg", 160, 90)
    found = mpd.window(track).segments
    assert [(one.start, one.tiles) for one in found] == [
        (n, TileLayout(4, 4, Fraction(5, 2))) for n in (0, 40, 80)
    ]
    assert [one.media.url.rpartition("/")[2] for one in found] == ["1.jpg", "2.jpg", "3.jpg"]


@pytest.mark.parametrize("value", ["0x5", "101x1", "five", "", "5"])
def test_a_grid_that_is_none_means_one_thumbnail(value):
    mpd = read_mpd(MPD.replace("4x4", value), URL, Fraction(0))
    [found, *_] = mpd.window(mpd.tracks[0]).segments
    assert found.tiles == TileLayout(1, 1, 40)


def test_images_in_mp4_are_of_a_form_that_is_told_from_files():
    mpd = read_mpd(MPD.replace("image/jpeg", "video/mp4"), URL, Fraction(0))
    assert {one.form for one in mpd.window(mpd.tracks[0]).segments} == {"mp4"}


def test_images_that_state_no_time_begin_where_pictures_do():
    window = MediaPlaylist("image").read(IMAGES, URL)
    assert [one.start for one in on_clock(window, Fraction(1000)).segments] == [1000, 1050, 1062.5]
    with pytest.raises(SourceRefused, match="states no times"):
        on_clock(Window(window.segments, has_clock=False), Fraction(1000))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_an_image_that_is_cut_is_not_whole(tmp_path, suffix):
    path = tmp_path / f"one.{suffix}"
    draw(path, [1, 2], 2, 1)
    assert is_whole(path, "image") == ""
    path.write_bytes(path.read_bytes()[:-20])
    assert is_whole(path, "image") == "an image that is cut"
    path.write_bytes(b"<html>")
    assert "neither a JPEG nor a PNG" in is_whole(path, "image")


async def test_a_recording_remembers_layouts(tmp_path):
    folder = Folder(LocalStorage([tmp_path]), str(tmp_path), "recording")
    recording = Recording(folder, tmp_path, "1")
    draw(tmp_path / "made.jpg", [1, 2], 2, 1)
    one = image(1, 0, TileLayout(2, 1, Fraction(10, 3)))
    await recording.keep(one, tmp_path / "made.jpg")
    await recording.write_page()
    again = Recording(folder, tmp_path, "2")
    await again.load()
    [found] = again.of("image-1")
    assert found.segment.tiles == one.segment.tiles


SQUARE = TileLayout(2, 2, Fraction(1))


def image(number, start, layout, lasts=None):
    length = Fraction(layout.number * layout.interval if lasts is None else lasts)
    segment = Segment(
        number, Fraction(start), length, Resource(URL), run="", form="image", tiles=layout
    )
    return Fetched("image-1", 0, segment, f"image-1/{number}.image")


def images(tmp_path, count, layout=SQUARE, *, start=0, **options):
    """So many images, whose tiles are numbered from 1."""
    made, files = [], []
    for n in range(count):
        files.append(tmp_path / f"{start}-{n}.jpg")
        first = n * layout.number + 1
        draw(files[-1], range(first, first + layout.number), layout.columns, layout.rows, **options)
        made.append(image(n, start + n * layout.number * layout.interval, layout))
    return made, files


def shown(*spans):
    return [Span(Fraction(str(first)), Fraction(str(last))) for first, last in spans]


async def made(tmp_path, *clips, warned=None):
    """What is made, and the numbers that the images show; without a list nothing is warned of."""
    target = tmp_path / "made"
    target.mkdir()

    async def warn(line):
        assert warned is not None, line
        warned.append(line)

    found = await made_images(clips, target, "image-1", warn)
    numbers = [drawn(target / file, found.columns, found.rows) for file in found.files]
    return found, numbers


async def test_images_that_fit_are_copied_bit_by_bit(tmp_path):
    given, files = images(tmp_path, 3)
    found, numbers = await made(tmp_path, ClipImages(given, files, shown((4, 12))))
    assert numbers == [[5, 6, 7, 8], [9, 10, 11, 12]]
    assert (found.width, found.height, found.interval, found.duration) == (16, 16, 1, 8)
    copies = [(tmp_path / "made" / file).read_bytes() for file in found.files]
    assert copies == [path.read_bytes() for path in files[1:]]
    assert found.bandwidth == -(-8 * max(map(len, copies)) // 4)


async def test_a_clip_begins_with_the_thumbnail_that_is_shown_then(tmp_path):
    given, files = images(tmp_path, 3)
    found, numbers = await made(tmp_path, ClipImages(given, files, shown(("2.4", "9.9"))))
    assert numbers == [[3, 4, 5, 6], [7, 8, 9, 10]]
    assert found.duration == 7.5


async def test_thumbnails_behind_the_end_are_not_delivered(tmp_path):
    given, files = images(tmp_path, 2)
    _, numbers = await made(tmp_path, ClipImages(given, files, shown((0, 5))))
    assert numbers == [[1, 2, 3, 4], [5, 0, 0, 0]]


async def test_of_an_image_that_is_not_full_the_rest_shows_nothing_else(tmp_path):
    given, files = images(tmp_path, 1)
    given[0] = image(0, 0, SQUARE, lasts="2.5")
    found, numbers = await made(tmp_path, ClipImages(given, files, shown((0, "2.5"))))
    assert numbers == [[1, 2, 3, 4]]  # as it came: three are shown
    assert found.images == 1


async def test_pieces_and_clips_follow_each_other(tmp_path):
    """Of the second clip the images are larger, and laid out otherwise."""
    first = ClipImages(*images(tmp_path, 3), shown((1, 3), (8, 10)))
    wide = TileLayout(4, 1, Fraction(2))
    second = ClipImages(*images(tmp_path, 2, wide, start=100, edge=32), shown((101, 104)))
    found, numbers = await made(tmp_path, first, second)
    assert numbers == [[2, 3, 9, 10], [1, 2, 2, 0]]
    assert (found.width, found.duration) == (16, 7)


async def test_what_no_image_shows_is_black(tmp_path):
    given, files = images(tmp_path, 3)
    del given[1], files[1]
    files[1].write_bytes(files[1].read_bytes()[:200] + b"\xff\xd9")
    clip, warned = ClipImages(given, files, shown((0, 12))), []
    _, numbers = await made(tmp_path, clip, warned=warned)
    assert numbers == [[1, 2, 3, 4], [0] * 4, [0] * 4]
    assert len(warned) == 1
    assert "image-1: 8 of 12 thumbnails are black" in warned[0]


async def test_thumbnails_laid_out_anew_lose_next_to_nothing(tmp_path):
    """Encoded by the tables of the source: its blocks come out as they were."""
    layout = TileLayout(2, 2, Fraction(1))
    noise = Image.effect_noise((64, 64), 40).convert("RGB")
    noise.save(tmp_path / "noise.jpg", quality=60, subsampling=0)
    clip = ClipImages([image(0, 0, layout)], [tmp_path / "noise.jpg"], shown((1, 4)))
    await made(tmp_path, clip)
    with (
        Image.open(tmp_path / "noise.jpg") as before,
        Image.open(tmp_path / "made/image-1_1.jpg") as after,
    ):
        assert after.quantization == before.quantization
        boxes = ((before, (32, 0, 64, 32)), (after, (0, 0, 32, 32)))
        old, new = (one.crop(box).tobytes() for one, box in boxes)
    differences = [abs(a - b) for a, b in zip(old, new, strict=True)]
    assert sum(differences) < len(differences)  # less than one of 255


def test_as_many_thumbnails_as_a_result_may_have(tmp_path):
    layout = TileLayout(1, 1, Fraction(1, 10**9))
    clip = ClipImages([image(0, 0, layout, lasts=10**6)], [tmp_path], shown((0, 10**6)))
    assert len(tiles([clip], layout_of([clip]).interval)) == 20_000


@pytest.mark.parametrize("size", [(5000, 4000), (1, 1)])
async def test_images_no_thumbnail_can_be_taken_of_are_refused(tmp_path, size):
    Image.new("L", size).save(tmp_path / "bomb.png")
    clip = ClipImages([image(0, 0, SQUARE)], [tmp_path / "bomb.png"], shown((0, 4)))
    with pytest.raises(SourceRefused, match="can be read"):
        await made(tmp_path, clip)


async def test_a_clip_without_images_has_none():
    with pytest.raises(SourceRefused, match="no image of its range"):
        await made_images([ClipImages([], [], shown((0, 4)))], None, "image-1", None)
