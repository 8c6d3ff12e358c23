"""What a stranger's file claims is bounded before memory or time is spent on it."""

import gzip
import struct
import sys
from fractions import Fraction

import pytest

from taskengine.capture import checking, joining, packets, text_mp4
from taskengine.capture.checking import is_whole
from taskengine.capture.joining import Joiner, Taken
from taskengine.capture.model import SourceAway
from taskengine.capture.packets import Format, TooManyPictures, pictures
from taskengine.capture.pieces import Picture
from taskengine.capture.unpacking import Unpacker
from taskengine.media.fragments import Header, read_samples
from taskengine.media.movie import MovieTrack
from taskengine.media.tools import Bench
from taskengine.model import PermanentFailure
from taskengine.runtime.process import run_process


def box(kind, content=b""):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def fragment(count):
    """Whose samples are described by nothing."""
    head = box(b"tfhd", struct.pack(">II", 0, 1)) + box(b"tfdt", bytes(8))
    return box(b"moof", box(b"traf", head + box(b"trun", struct.pack(">II", 0, count))))


@pytest.mark.parametrize(
    "content",
    [
        fragment(600_000) * 2,
        box(b"moof", box(b"traf", box(b"tfhd", struct.pack(">II", 0, 1)) + box(b"trun"))),
    ],
    ids=["samples without bytes", "an empty run"],
)
def test_fragments_that_lie_are_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"fragment|samples"):
        read_samples(path, Header(1, 1000, b"", (1, 1, 0)))


def test_boxes_are_counted(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(box(b"moof") + box(b"mdat") + box(b"free") * checking.MAX_BOXES)
    assert is_whole(path, "mp4") == "it has too many boxes"


@pytest.mark.parametrize("name", ["MAX_SAMPLES", "MAX_RANGES"])
def test_what_is_joined_is_counted(tmp_path, monkeypatch, name):
    monkeypatch.setattr(joining, name, 0)
    path = tmp_path / "file"
    row = struct.pack(">IIiII", 0x301, 1, 0, 1, 8)  # one sample of 8 bytes that lasts one tick
    head = box(b"tfhd", struct.pack(">II", 0, 1)) + box(b"tfdt", bytes(8))
    path.write_bytes(box(b"moof", box(b"traf", head + box(b"trun", row))))
    header = Header(1, 1000, bytes(16), (1, 1, 0))
    joiner = Joiner(MovieTrack(b"soun", 1000, b""))
    with pytest.raises(PermanentFailure, match="a track of more than"):
        joiner.join([Taken((path,), header, Fraction(1), 1)], tmp_path / "made")


async def test_a_listing_is_read_as_it_comes_and_counted(tmp_path, monkeypatch):
    """Of MPEG-TS of a day: more than a tool's answer may have."""
    rows = 800_000  # of 21 bytes and more
    script = f"for n in range({rows}): print(n * 3600, n * 188, '_K'[n % 50 == 0] + '__', sep=',')"

    async def run(command, *, on_line=None):
        return await run_process([sys.executable, "-c", script], on_line=on_line)

    stream = Format(0, "video", "h264", {"time_base": "1/90000"})
    bench, sizes = Bench(run, tmp_path), [0, *(18_800 for _ in range(rows // 100))]
    found = await pictures(bench, tmp_path / "x", stream, sizes)
    assert len(found.pictures) == rows
    last = Picture(Fraction(rows - 1, 25), rows // 100 - 1, is_key=False)
    assert found.pictures[rows - 1] == last
    assert found.starts[1] == found.keys[1] == 4
    monkeypatch.setattr(packets, "MAX_PICTURES", 1000)
    with pytest.RaisesGroup(TooManyPictures, flatten_subgroups=True):
        await pictures(bench, tmp_path / "x", stream, sizes)


def test_samples_of_text_are_counted():
    with pytest.raises(ValueError, match="more than 100000"):
        text_mp4.samples(b"", fragment(99_999) * 2 + box(b"free", bytes(100_000)))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_members_of_a_packed_body_follow_each_other(size):
    packed = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two")
    unpacker = Unpacker("gzip")
    parts = [packed[n : n + size] for n in range(0, len(packed), size)]
    assert b"".join(piece for part in parts for piece in unpacker.pieces(part)) == b"onetwo"
    unpacker.finish()


def test_members_of_a_packed_body_are_counted():
    unpacker = Unpacker("gzip")
    with pytest.raises(SourceAway, match="more than 1000 members"):
        list(unpacker.pieces(gzip.compress(b"") * 1001))


def test_what_follows_a_packed_body_is_refused():
    unpacker = Unpacker("gzip")
    with pytest.raises(SourceAway, match="damaged"):
        list(unpacker.pieces(gzip.compress(b"one") + b"two"))
