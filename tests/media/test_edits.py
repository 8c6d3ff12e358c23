"""Edit lists are turned into times of samples: what is shown when stays the same."""

import pytest

from taskengine.media.boxes import inner
from taskengine.media.edits import settle_edits, settle_fragments, take_edits
from taskengine.media.fragments import read_file_header, read_header, read_samples
from tests.capture.film import make_pictures, make_sound


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of segments whose initialization has an edit list: pictures that are decoded out of
    order, and sound that begins before it is heard."""
    folder = tmp_path_factory.mktemp("edits")
    make_pictures(folder / "vide", 6)
    make_sound(folder / "soun", 6)
    return folder


@pytest.mark.parametrize("kind", ["vide", "soun"])
def test_samples_are_shown_when_they_were(made, tmp_path, kind):
    init = (made / kind / "init.mp4").read_bytes()
    before, settled = read_header(init, kind.encode()), bytearray(init)
    early = take_edits(settled)
    after = read_header(bytes(settled), kind.encode())
    assert early == {1: before.early}
    assert (before.early > 0, after.early) == (True, 0)
    assert len(settled) == len(init)
    assert inner(settled, "moov/trak/edts") is None
    for number in (1, 2):
        path = tmp_path / f"{number}.m4s"
        path.write_bytes((made / kind / f"{number}.m4s").read_bytes())
        told = read_samples(path, before)
        settle_fragments(path, early)
        found = read_samples(path, after)
        assert (found.shown, found.lengths) == (told.shown, told.lengths)
        assert (found.places, found.keys) == (told.places, told.keys)
        if kind == "vide":
            assert found.decoded[0] == found.shown[0]


def test_nothing_is_shown_before_the_beginning(made, tmp_path):
    """Of a stream's first sound that which has no place is heard, a fiftieth of a second late."""
    settled = bytearray((made / "soun/init.mp4").read_bytes())
    early = take_edits(settled)
    path = tmp_path / "0.m4s"
    path.write_bytes((made / "soun/0.m4s").read_bytes())
    settle_fragments(path, early)
    assert read_samples(path, read_header(bytes(settled), b"soun")).shown[0] == 0


def test_what_says_a_wrong_number_of_samples_is_refused(made, tmp_path):
    path = tmp_path / "cut.m4s"
    data = bytearray((made / "vide/1.m4s").read_bytes())
    place = data.index(b"trun") + 8
    data[place : place + 4] = (10**6).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(ValueError, match="wrong number of samples"):
        settle_fragments(path, {1: 1024})


def test_a_whole_file_is_settled_where_it_lies(made, tmp_path):
    path = tmp_path / "whole.mp4"
    parts = ("init.mp4", "0.m4s", "1.m4s")
    path.write_bytes(b"".join((made / "vide" / name).read_bytes() for name in parts))
    size, told = path.stat().st_size, read_samples(path, read_file_header(path, b"vide"))
    settle_edits(path)
    after = read_file_header(path, b"vide")
    assert (after.early, path.stat().st_size) == (0, size)
    assert read_samples(path, after).shown == told.shown
