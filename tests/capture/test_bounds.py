"""What a stranger's file claims is bounded before memory or time is spent on it."""

import gzip
import struct

import pytest

from taskengine.capture import checking, text_mp4
from taskengine.capture.checking import is_whole
from taskengine.capture.model import SourceAway
from taskengine.capture.unpacking import Unpacker
from taskengine.media.fragments import Header, read_samples


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
