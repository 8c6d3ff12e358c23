"""Fragments read and written: what strangers made is bounded, samples of several encoders stand in
one track."""

import struct
from fractions import Fraction

import pytest

from taskengine.capture.joining import Joiner, Taken
from taskengine.capture.packets import fragment_pictures
from taskengine.media.boxes import box, boxes, full
from taskengine.media.fragments import read_file_header, read_header, read_samples
from taskengine.media.movie import MovieTrack
from taskengine.media.parameter_sets import delimiter_size, parameter_sets
from taskengine.media.probe import OutputWrong
from tests.capture.film import ffmpeg, make_pictures, numbers, packets

ENCODERS = {  # parameter sets that a decoder must not mix up
    "high": {},
    "baseline": {"options": ("-profile:v", "baseline", "-bf", "0")},
    "hevc": {"codec": "libx265"},
    "hevc-plain": {"codec": "libx265", "options": ("-bf", "0", "-preset", "ultrafast")},
}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for name, kind in ENCODERS.items():
        make_pictures(folder / name, 3, gop=25, **kind)
    return folder


def taken(folder, low=None, high=None):
    """Pictures of a film, by their numbers."""
    header = read_header((folder / "init.mp4").read_bytes(), b"vide")
    files = tuple(folder / f"{n}.m4s" for n in range(3))
    shown = fragment_pictures(files, header).pictures
    low, high = low or 0, len(shown) if high is None else high
    bounds = [int(shown[n].media * header.scale) if n < len(shown) else None for n in (low, high)]
    return Taken(files, header, Fraction(high - low, 25), high - low, *bounds)


def joined(films, target, *parts, zero=Fraction(0)):
    found = [taken(films / name, *bounds) for name, *bounds in parts]
    track = MovieTrack(b"vide", 12800, found[0].header.description, 320, 192)
    joiner = Joiner(track, zero=zero)
    return joiner.join(found, target), joiner


@pytest.mark.parametrize("names", [("high", "baseline"), ("hevc", "hevc-plain")])
def test_each_keyframe_brings_its_own_parameter_sets(films, tmp_path, names):
    first, second = names
    target = tmp_path / "joined.mp4"
    number, joiner = joined(films, target, (first, 0, 50), (second, 25, 75), (first, 25, 50))
    expected = [*range(50), *range(25, 75), *range(25, 50)]
    assert number == len(expected)
    assert numbers(target) == expected
    keys = [time for time, is_key in packets(target) if is_key]
    assert joiner.key_times(joiner.packets()) == keys == [Fraction(n) for n in range(5)]
    for second in range(5):  # wherever a player begins
        part = tmp_path / "part.mkv"
        ffmpeg("-ss", second, "-i", target, "-c", "copy", part)
        found = numbers(part)  # a tool may begin a keyframe too early, never with wrong pictures
        assert found == expected[-len(found) :]
        assert len(expected) - 25 * second <= len(found) <= len(expected) - 25 * (second - 1)


def test_times_may_begin_at_another_one_than_zero(films, tmp_path):
    joined(films, tmp_path / "later.mp4", ("high", 25, 75), zero=Fraction(5000, 3))
    times = [time for time, _ in packets(tmp_path / "later.mp4")]
    assert times[0] == pytest.approx(Fraction(5000, 3), abs=1e-4)
    assert times[-1] - times[0] == Fraction(49, 25)
    assert numbers(tmp_path / "later.mp4") == list(range(25, 75))


def test_a_segment_that_says_more_than_it_has_is_found_out(films, tmp_path):
    cut = tmp_path / "cut.m4s"
    whole = (films / "high" / "0.m4s").read_bytes()
    place = whole.index(b"mdat") - 4
    cut.write_bytes(whole[:place] + box(b"mdat", whole[place + 8 : -500]))
    header = read_header((films / "high" / "init.mp4").read_bytes(), b"vide")
    track = MovieTrack(b"vide", 12800, header.description, 320, 192)
    with pytest.raises(OutputWrong, match="says more than it has"):
        Joiner(track).join([Taken((cut,), header, Fraction(1), 25)], tmp_path / "made.mp4")


def changed(data, kind, at, value):
    place = data.index(kind) + 4 + at
    return data[:place] + value + data[place + len(value) :]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: changed(data, b"trun", 4, b"\x7f\xff\xff\xff"), "wrong number of samples"),
        (lambda data: data.replace(b"tfdt", b"free"), "states no time"),
        (lambda data: data.replace(b"tfhd", b"free"), "without the head"),
        (lambda data: changed(data, b"moof", -8, b"\x7f\xff\xff\xff"), "cut"),
        (lambda data: changed(data, b"traf", -8, b"\0\0\0\4"), "wrong size"),
        (lambda data: data[:90], "cut"),
    ],
)
def test_fragments_that_lie_are_refused(films, tmp_path, change, reason):
    header = read_header((films / "high" / "init.mp4").read_bytes(), b"vide")
    path = tmp_path / "0.m4s"
    path.write_bytes(change((films / "high" / "0.m4s").read_bytes()))
    with pytest.raises(ValueError, match=reason):
        read_samples(path, header)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.replace(b"avc1", b"encv"), "encrypted"),
        (lambda data: data.replace(b"stsd", b"free"), "without mdia/minf/stbl/stsd"),
        (lambda data: data.replace(b"vide", b"soun"), "without a track of vide"),
        (lambda data: changed(data, b"moov", -8, b"\0\0\1\0"), "cut"),
        (lambda data: b"", "without moov"),
    ],
)
def test_initializations_that_cannot_be_read_are_refused(films, change, reason):
    data = change((films / "high" / "init.mp4").read_bytes())
    with pytest.raises(ValueError, match=reason):
        read_header(data, b"vide")


def test_an_edit_list_moves_the_times_of_a_track(films):
    data = (films / "high" / "init.mp4").read_bytes()
    plain = read_header(data, b"vide")
    [(start, end)] = [(a, b) for kind, a, b in boxes(data) if kind == b"moov"]
    edits = full(b"elst", struct.pack(">IIihhIihh", 2, 1000, -1, 1, 0, 500, 1024, 1, 0))
    moov = box(b"moov", with_edits(data, start, end, box(b"edts", edits)))
    assert read_header(data[: start - 8] + moov, b"vide").early == 1024 - plain.scale
    many = full(b"elst", struct.pack(">IIihhIihh", 2, 1000, 0, 1, 0, 500, 1024, 1, 0))
    moov = box(b"moov", with_edits(data, start, end, box(b"edts", many)))
    with pytest.raises(ValueError, match="several edits"):
        read_header(data[: start - 8] + moov, b"vide")


def with_edits(data, start, end, edits):
    """The content of `moov` with an edit list in its track, in place of its own."""
    return b"".join(
        box(kind, *(data[c - 8 : d] for k, c, d in boxes(data, a, b) if k != b"edts"), edits)
        if kind == b"trak"
        else data[a - 8 : b]
        for kind, a, b in boxes(data, start, end)
    )


def test_parameter_sets_stand_behind_a_delimiter(films):
    description = read_header((films / "high" / "init.mp4").read_bytes(), b"vide").description
    sets = parameter_sets(description)
    [size] = struct.unpack_from(">I", sets)
    assert sets[4] & 31 == 7
    assert sets[4 + size + 4] & 31 == 8
    assert delimiter_size(b"avc1", b"\0\0\0\2\x09") == 6
    assert delimiter_size(b"avc1", b"\0\0\0\2\x65") == 0
    assert delimiter_size(b"hvc1", b"\0\0\0\3\x46") == 7
    short = description.replace(b"avcC\1", b"avcC\1")
    place = short.index(b"avcC") + 8
    short = short[:place] + b"\xfd" + short[place + 1 :]
    with pytest.raises(ValueError, match="fewer than four bytes"):
        parameter_sets(short)


def test_the_head_of_a_written_track_reads_the_same(films, tmp_path):
    joined(films, tmp_path / "one.mp4", ("high", 0, 75), zero=Fraction(0))
    header = read_file_header(tmp_path / "one.mp4", b"vide")
    samples = read_samples(tmp_path / "one.mp4", header)
    assert sorted(samples.shown) == [512 * n for n in range(75)]
    assert sum(samples.keys) == 3
