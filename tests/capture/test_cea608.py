"""Captions inside pictures: found in files, decoded, and the same after a cut."""

from fractions import Fraction

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from taskengine.actions.closed_captions import joints
from taskengine.capture.assembly import Assembler
from taskengine.capture.cues import Cue
from taskengine.capture.inside import captions
from taskengine.capture.pieces import Span, pieces
from taskengine.capture.video import VideoCutter
from taskengine.media.cc_data import CcData, cc_of_sei, read_cc_data
from taskengine.media.tools import Bench
from taskengine.runtime.process import run_process
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from tests.capture.captioned import (
    BOTTOM,
    CLEAR,
    ERASE,
    LOAD,
    NOTHING,
    RETURN,
    ROLL,
    SHOW,
    caption,
    control,
    letters,
    placed,
    pop_on,
    sei,
)
from tests.capture.film import as_fetched, make_pictures

FRAME = Fraction(1, 25)


def decoded(*rows, end=200, kind=0, breaks=()):
    """Start and end in pictures, and text, of each cue by channel."""
    pairs = placed(*rows)
    data = [CcData(n * FRAME, ((kind, *pairs[n]),)) for n in sorted(pairs)]
    found = captions(data, end * FRAME, [n * FRAME for n in breaks])
    return {
        name: [(cue.start / FRAME, cue.end / FRAME, cue.text) for cue in cues]
        for name, cues in found.items()
    }


def test_a_caption_is_seen_from_where_it_is_shown_to_where_it_is_cleared():
    found = decoded((0, pop_on("HELLO")), (20, control(SHOW)), (60, control(CLEAR)))
    assert found == {"CC1": [(20, 60, "HELLO")]}


def test_a_caption_takes_the_place_of_another_and_ends_with_the_result():
    rows = [(0, pop_on("ONE")), (20, control(SHOW)), (30, pop_on("TWO")), (50, control(SHOW))]
    assert decoded(*rows) == {"CC1": [(20, 50, "ONE"), (50, 200, "TWO")]}
    assert decoded(*rows, breaks=[40]) == {"CC1": [(20, 40, "ONE"), (50, 200, "TWO")]}


def test_rows_letters_and_what_means_something_in_webvtt():
    two = [*control(LOAD), *control(ERASE), (0x14, 0x50), *letters("A <&> B"), *BOTTOM_ROW]
    assert decoded((0, two), (40, control(SHOW))) == {
        "CC1": [(40, 200, "A &lt;&amp;&gt; B\n♪ ÑoÉ")]
    }


BOTTOM_ROW = [
    BOTTOM, (0x11, 0x37), *letters(" }"), *letters("oE"), (0x12, 0x21), (0x00, 0x00),
]  # fmt: skip


def test_lines_that_roll_up_are_whole():
    rows = [
        (0, [*control(ROLL), BOTTOM, *letters("FIRST")]),
        (20, [*control(RETURN), *letters("SECOND")]),
        (40, [*control(RETURN), *letters("THIRD")]),
        (60, control(CLEAR)),
    ]
    assert decoded(*rows) == {
        "CC1": [(3, 22, "FIRST"), (22, 42, "FIRST\nSECOND"), (42, 60, "SECOND\nTHIRD")]
    }


def test_the_channels_of_both_fields():
    second = [(first | 8, code) if first < 0x20 else (first, code) for first, code in pop_on("B")]
    rows = [(0, pop_on("A")), (20, second), (40, [(0x14, SHOW), (0x1C, SHOW)])]
    assert decoded(*rows) == {"CC1": [(40, 200, "A")], "CC2": [(41, 200, "B")]}
    assert list(decoded(*rows, kind=1)) == ["CC3", "CC4"]


def test_data_between_captions_is_none():
    rows = [(0, [(0x01, 0x03), *letters("NOT THIS"), (0x0F, 0x1D), *pop_on("A")])]
    assert decoded(*rows, (50, control(SHOW))) == {"CC1": [(50, 200, "A")]}
    text = [(0x14, 0x2A), *letters("NOR THIS")]
    assert decoded((0, text)) == {"CC1": []}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 255), st.integers(0, 255))))
def test_any_bytes_are_borne(triples):
    data = [CcData(n * FRAME, (one,)) for n, one in enumerate(triples)]
    for cues in captions(data, len(data) * FRAME).values():
        for cue in cues:
            assert cue.start < cue.end
            assert cue.text


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_message_is_borne(data):
    assert all(kind < 4 for kind, _, _ in cc_of_sei(data))


def test_messages_have_their_triples():
    unit = sei((0x94, 0x20))[4:]
    assert list(cc_of_sei(unit[1:])) == [(0, 0x94, 0x20), (2, 0, 0)]


@pytest.mark.parametrize(("codec", "encoder"), [("h264", "libx264"), ("hevc", "libx265")])
async def test_a_cut_keeps_them_whether_it_copies_or_encodes(tmp_path, codec, encoder):
    folder = tmp_path / "v"
    make_pictures(folder, 3, gop=25, codec=encoder)
    pairs = placed((0, pop_on("HELLO")), (20, control(SHOW)), (25, pop_on("AGAIN THERE")),
                   (52, control(SHOW)), (63, control(CLEAR)))  # fmt: skip
    caption(folder, pairs, codec)

    async def run(command, *, on_line=None):
        return await run_process(command, cwd=tmp_path, on_line=on_line)

    bench = Bench(run, tmp_path)
    storage = Folder(LocalStorage([tmp_path]), str(tmp_path), "")
    cutter = VideoCutter(bench, Assembler(storage, tmp_path), "cut")
    looked = [await cutter.look(as_fetched(folder, [Fraction(n) for n in range(3)], 1))]
    chosen = pieces([one.stretch for one in looked], 10 * FRAME, 65 * FRAME)
    target = tmp_path / "made.mp4"
    packets = (await cutter.cut(looked, chosen, target)).packets
    found = await trio.to_thread.run_sync(lambda: list(read_cc_data(target, codec, packets)))
    assert [one.triples[0][1:] for one in found] == [pairs.get(n, NOTHING) for n in range(10, 65)]
    assert [one.triples[-1][0] for one in found] == [2] * 55
    assert [round(one.time * 25) for one in found] == list(range(55))
    late = (await cutter.cut(looked, chosen, target, Fraction(90))).packets  # as copy_ts has them
    assert list(read_cc_data(target, codec, late)) == found
    assert captions(found, 55 * FRAME)["CC1"] == [Cue(42 * FRAME, 53 * FRAME, "AGAIN THERE")]


def test_joints_are_where_pictures_do_not_follow():
    one, two = Span(Fraction(10), Fraction(12)), Span(Fraction(12), Fraction(13))
    late = Span(Fraction(14), Fraction(15))
    assert joints([[one, two, late], [one]]) == [3, 4]
