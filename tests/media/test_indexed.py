"""A track that is laid out already is packaged as the packager would have done it, without its
media being written again."""

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from defusedxml.ElementTree import fromstring

from taskengine.capture.joining import Joiner, Taken
from taskengine.capture.packets import fragment_pictures
from taskengine.media.boxes import boxes
from taskengine.media.fragments import read_header
from taskengine.media.index import read_index
from taskengine.media.indexed import are_indexed, package_indexed
from taskengine.media.movie import MovieTrack
from taskengine.media.packager import Manifests, package
from taskengine.media.probe import probe
from taskengine.media.streams import streams
from tests.capture.film import make_pictures, numbers

SECONDS = 10
MANIFESTS = Manifests("m.m3u8", "m.mpd")


@pytest.fixture
async def track(bench, tmp_path):
    """Ten seconds of keyframes every second, as a capture cuts them."""
    make_pictures(tmp_path / "source", SECONDS, gop=25)
    header = read_header((tmp_path / "source/init.mp4").read_bytes(), b"vide")
    files = tuple(tmp_path / f"source/{n}.m4s" for n in range(SECONDS))
    number = len(fragment_pictures(files, header).pictures)
    made = MovieTrack(b"vide", header.scale, header.description, 320, 192)
    taken = Taken(files, header, Fraction(SECONDS), number)
    assert Joiner(made).join([taken], tmp_path / "track.mp4") == number
    [found] = (await probe(bench, tmp_path / "track.mp4")).tracks
    return replace(found, indexed=True)


async def test_what_is_written_of_an_indexed_track_is_what_the_packager_writes(
    bench, track, tmp_path
):
    assert await package_indexed(bench, [track], "x", "own", MANIFESTS) == {"x_v1.mp4": 0}
    await package(bench, streams([track], "x", "theirs"), "theirs", MANIFESTS)
    own, theirs = tmp_path / "own", tmp_path / "theirs"
    assert (own / "x_v1.mp4").samefile(tmp_path / "track.mp4")
    assert numbers(own / "x_v1.mp4") == list(range(25 * SECONDS))
    assert read_index(own / "x_v1.mp4").rows == read_rows(own / "x_v1.mp4")
    texts = [(one / "x_v1.m3u8").read_text() for one in (own, theirs)]
    lengths = [[float(x) for x in re.findall(r"#EXTINF:([\d.]+)", text)] for text in texts]
    assert lengths[0] == pytest.approx(lengths[1], abs=0.001) == [4, 4, 2]
    heads = [re.findall(r"#EXT-X-(?:TARGET|PLAYLIST|VER).*", text) for text in texts]
    assert heads[0] == heads[1]
    assert described(own / "m.mpd") == described(theirs / "m.mpd")
    rates = [re.findall(r"BANDWIDTH=(\d+)", (one / "m.m3u8").read_text()) for one in (own, theirs)]
    for mine, other in zip(*rates, strict=True):
        assert int(mine) == pytest.approx(int(other), rel=0.05)


def described(mpd):
    """All but what depends on sizes."""
    varying = {"bandwidth", "range", "indexRange", "mediaPresentationDuration"}
    return [
        (
            element.tag,
            (element.text or "").strip(),
            sorted(said for said in element.items() if said[0] not in varying),
        )
        for element in fromstring(mpd.read_bytes()).iter()
    ]


def read_rows(path):
    """Bytes and ticks of each fragment, from the fragments themselves."""
    data = path.read_bytes()
    moofs = [start - 8 for kind, start, _ in boxes(data) if kind == b"moof"]
    sizes = [end - start for start, end in zip(moofs, [*moofs[1:], len(data)], strict=True)]
    ticks = [seconds * read_index(path).scale for seconds in (4, 4, 2)]
    return list(zip(sizes, ticks, strict=True))


async def test_only_what_says_so_in_its_own_language_is_taken_as_it_is(bench, track):
    assert are_indexed(bench, [track])
    assert not are_indexed(bench, [replace(track, indexed=False)])
    assert not are_indexed(bench, [replace(track, type="audio", language="deu")])
    assert not are_indexed(bench, [])
