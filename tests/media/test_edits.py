"""Edit lists are turned into times of samples: what is shown when stays the same."""

import pytest

from taskengine.media.edits import settle_fragments, take_edits
from taskengine.media.fragments import read_header, read_samples
from tests.capture.film import make_pictures, make_sound


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of segments whose initialization has an edit list: pictures that are decoded out of
    order, and sound that begins before it is heard."""
    folder = tmp_path_factory.mktemp("edits")
    make_pictures(folder / "vide", 6)
    make_sound(folder / "soun", 2)
    return folder


def test_pictures_are_shown_when_they_were(made, tmp_path):
    init = (made / "vide/init.mp4").read_bytes()
    before, settled = read_header(init, b"vide"), bytearray(init)
    early = take_edits(settled)
    after = read_header(bytes(settled), b"vide")
    assert early == {1: before.early}
    assert (before.early > 0, after.early) == (True, 0)
    assert len(settled) == len(init)
    for number in range(3):
        path = tmp_path / f"{number}.m4s"
        path.write_bytes((made / f"vide/{number}.m4s").read_bytes())
        told = read_samples(path, before)
        settle_fragments(path, early)
        found = read_samples(path, after)
        assert (found.shown, found.lengths) == (told.shown, told.lengths)
        assert (found.places, found.keys) == (told.places, told.keys)
        assert found.decoded[0] == found.shown[0]


def test_sound_keeps_what_its_edit_list_hides(made):
    init = (made / "soun/init.mp4").read_bytes()
    settled = bytearray(init)
    assert take_edits(settled) == {}
    assert (bytes(settled), read_header(init, b"soun").early > 0) == (init, True)


def test_what_says_a_wrong_number_of_samples_is_refused(made, tmp_path):
    path = tmp_path / "cut.m4s"
    data = bytearray((made / "vide/1.m4s").read_bytes())
    place = data.index(b"trun") + 8
    data[place : place + 4] = (10**6).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(ValueError, match="wrong number of samples"):
        settle_fragments(path, {1: 1024})
