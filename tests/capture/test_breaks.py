"""Breaks: made of what sources say, and placed where their pictures are shown in the result."""

from fractions import Fraction

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from taskengine.capture.breaks import Break, Remark, breaks
from taskengine.capture.looked import Looked
from taskengine.capture.marking import Place, markers, numbered, places
from taskengine.capture.model import Signal, Window
from taskengine.capture.noting import MAX_PROBLEMS, TOO_MANY, Listener, Noted
from taskengine.capture.pieces import Span, filled, pieces
from taskengine.capture.recording import Recording
from taskengine.capture.showing import Rendition
from taskengine.media.scte35 import read_message, splice_insert
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from tests.capture.test_pieces import ZERO, stretch

OUT = splice_insert(4, Fraction(5), Fraction(30), is_out=True)
BACK = splice_insert(4, Fraction(35), is_out=False)
ROUGH = {"is_rough": True}
FRAME = Fraction(1, 25)


def out(time, duration=None, **more):
    return Signal("out", Fraction(str(time)), duration and Fraction(duration), **more)


def back(time, **more):
    return Signal("in", Fraction(str(time)), **more)


def told(*said):
    return [
        (float(one.start), None if one.end is None else float(one.end), one.is_ended)
        for one in breaks(said)[0]
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([out(10, 30)], [(10, 40, False)]),
        ([out(10)], [(10, None, False)]),
        ([out(10, 30), back(25)], [(10, 25, True)]),
        ([back(25), out(10)], [(10, 25, True)]),
        ([out(10, 30), out("10.02", 30, section=OUT, id="4")], [(10, 40, False)]),
        ([out(10, 30), out("9.1", 30, **ROUGH), out("10.9", **ROUGH)], [(10, 40, False)]),
        ([out("9.1", 30, **ROUGH), out(10, 30)], [(10, 40, False)]),
        ([out(10, 5, id="a"), out(15, 5, id="b")], [(10, 15, False), (15, 20, False)]),
        ([out(10, 60, id="a"), out(20, 10, id="b"), back(30, id="b"), back(70, id="a")],
         [(10, 70, True), (20, 30, True)]),
        ([out(10, 30), back(600)], [(10, 40, False)]),
        ([out(10, id="a"), back(20, id="b")], [(10, None, False)]),
        ([Signal("on", Fraction(50)), Signal("on", Fraction(54)), back(60)], [(50, None, False)]),
        ([out(40, 30), Signal("on", Fraction(50))], [(40, 70, False)]),
        ([Signal("on", Fraction(50)), out(100, 30)], [(50, 100, False), (100, 130, False)]),
    ],
)  # fmt: skip
def test_a_break_is_one_however_often_it_is_told(said, expected):
    assert told(*said) == expected


def test_what_is_said_of_a_moment_is_put_together():
    [one], remarks = breaks([out(10), out("10.3", 30, section=OUT, id="4"), back(40, section=BACK)])
    assert one == Break(Fraction(10), Fraction(40), OUT, BACK, is_ended=True, name="4")
    assert remarks == []


def test_an_end_without_a_beginning_is_a_remark():
    assert breaks([back(10, section=BACK), back(20)]) == ([], [Remark(Fraction(10), BACK)])


SIGNALS = st.builds(
    Signal,
    st.sampled_from(["out", "in", "on", "other"]),
    st.integers(0, 400).map(lambda n: Fraction(n, 4)),
    st.none() | st.integers(1, 60).map(Fraction),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from([b"", OUT, BACK]),
    st.booleans(),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(SIGNALS, max_size=12), st.randoms())
def test_repeating_what_was_said_changes_nothing(said, random):
    again = [*said, *random.sample(said, len(said))]
    assert breaks(again) == breaks(said)
    for one in breaks(said)[0]:
        assert one.end is None or one.end > one.start


def shown(*ranges, at=0):
    """Pieces of one stream of 25 pictures a second, one behind the other."""
    whole, found, at = stretch(Fraction(0), 2000), [], Fraction(at)
    for start, end in ranges:
        [piece] = pieces([whole], ZERO + Fraction(str(start)), ZERO + Fraction(str(end)))
        found.append(Place(whole, piece, at, piece.end - piece.start, FRAME / 2))
        at += piece.end - piece.start
    return found


def marked(places, *found, remarks=()):
    moved = [
        Break(
            ZERO + Fraction(str(one.start)),
            None if one.end is None else ZERO + Fraction(str(one.end)),
            one.out,
            one.back,
            one.is_ended,
        )
        for one in found
    ]
    said = [Remark(ZERO + one.time, one.section) for one in remarks]
    return numbered(markers(places, moved, said))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (Break(12, 22), (2, 10, False)),
        (Break(12, 22, is_ended=True), (2, 10, True)),
        (Break("12.019", "22.021"), (2, "10.04", False)),  # the nearest pictures
        (Break(5, 22, is_ended=True), (0, 12, True)),  # it began before
        (Break(12, 90, is_ended=True), (2, 18, False)),  # it goes on
        (Break(5, 90, is_ended=True), (0, 20, False)),
        (Break(12), (2, None, False)),
        (Break(5, 10), None),
        (Break(30, 40), None),
        (Break(5, "9.99"), None),
    ],
)
def test_a_break_is_marked_as_far_as_it_is_shown(one, expected):
    found = marked(shown((10, 30)), one)
    if expected is None:
        assert found == []
        return
    [marker] = found
    start, duration, has_end = expected
    length = None if duration is None else Fraction(str(duration))
    assert (marker.start, marker.duration, bool(marker.back)) == (start, length, has_end)
    said = read_message(marker.out)
    assert said.is_out
    assert said.duration == length


def test_a_break_that_lasts_over_a_gap_is_one():
    [marker] = marked(shown((10, 20), (25, 30)), Break(18, 28, OUT, BACK, is_ended=True))
    assert (marker.start, marker.duration) == (8, 5)
    [until] = marked(shown((10, 20), (25, 30)), Break(18, 22, OUT, BACK, is_ended=True))
    assert (until.start, until.duration, bool(until.back)) == (8, 2, True)
    [from_gap] = marked(shown((10, 20), (25, 30)), Break(22, 28, OUT))
    assert (from_gap.start, from_gap.duration) == (10, 3)


def test_what_is_filled_has_the_times_of_the_break():
    """It is no piece of any stretch, least of all of the last one."""
    whole = stretch(Fraction(0), 2000)
    found = pieces([whole], ZERO + 10, ZERO + 20)
    filled_up = filled(found, ZERO + 10, ZERO + 30, FRAME)
    assert [one.is_blank for one in filled_up] == [False, True]
    looked = Looked(whole, None, is_open=False)
    spans = [Span(one.start, one.end) for one in filled_up]
    put = places(Rendition((looked,), tuple(filled_up)), spans, Fraction(0))
    [marker] = marked(put, Break(18, 25, OUT, BACK, is_ended=True))
    assert (marker.start, marker.duration, bool(marker.back)) == (8, 7, True)


def test_a_break_that_ends_where_a_piece_does_has_its_end():
    [marker] = marked(shown((10, 20), (20, 30)), Break(15, 20, OUT, BACK, is_ended=True))
    assert (marker.start, marker.duration, bool(marker.back)) == (5, 5, True)


def test_messages_have_the_times_of_the_result():
    found = marked(
        shown((10, 30), at=100),
        Break(12, 22, OUT, BACK, is_ended=True),
        remarks=[Remark(Fraction(15), BACK), Remark(Fraction(50), BACK)],
    )
    whole, remark = found
    assert [played(whole.out), played(whole.back), played(remark.other)] == [102, 112, 105]
    assert read_message(whole.out).duration == 30  # as it was planned
    assert [one.id for one in found] == [1, 2]
    [rest] = marked(shown((10, 30)), Break(5, 35, OUT))
    assert read_message(rest.out).duration == 20
    assert read_message(rest.out).event_id == 4


def played(section):
    adjustment = int.from_bytes(section[4:9], "big") % (1 << 33)
    return Fraction((read_message(section).pts + adjustment) % (1 << 33), 90_000)


@pytest.fixture
def folder(tmp_path):
    return Folder(LocalStorage([tmp_path]), str(tmp_path / "workspace"), "clip-0")


async def test_what_was_heard_survives_the_attempt(folder, tmp_path):
    lines = []

    async def warn(line):
        lines.append(line)

    first = Listener(Recording(folder, tmp_path, "1"), "clip 0", warn)
    signals = (out("0.5", 30, section=OUT), back("30.25"))
    await first.hear(1, Window((), True, signals=signals, problems=("odd",)))
    await first.hear(1, Window((), True, signals=signals, problems=("odd",)))
    await first.hear(0, Window((), True, signals=(out("0.501", 30, section=OUT),)))
    assert lines == ["Source 1 of clip 0: odd"]
    second = Noted(Recording(folder, tmp_path, "2"))
    await second.load()
    assert second.signals == list(signals)
    await second.note(0, [out(90), *signals])
    third = Noted(Recording(folder, tmp_path, "3"))
    await third.load()
    assert third.signals == [out(90), *signals]
    assert len(await folder.list()) == 2


def test_messages_have_the_times_of_the_media():
    """Those of the source, where the result keeps them (A71)."""
    one = Break(ZERO + 12, ZERO + 22, OUT, b"", is_ended=True)
    zero = Fraction(1000)
    [found] = numbered(markers(shown((10, 30)), [one], [], zero), zero)
    assert found.start == 2
    assert [played(one) for one in (found.out, found.back)] == [1002, 1012]


async def test_what_was_heard_survives_a_write_that_is_cancelled(folder, tmp_path):
    recording = Recording(folder, tmp_path, "1")
    noted = Noted(recording)
    with trio.CancelScope() as scope:
        scope.cancel()
        await noted.note(0, [out(90)])
    assert scope.cancelled_caught
    await noted.write()
    later = Noted(Recording(folder, tmp_path, "2"))
    await later.load()
    assert later.signals == [out(90)]


async def test_what_is_heard_is_bounded(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("taskengine.capture.noting.MAX_SIGNALS", 3)
    lines = []

    async def warn(line):
        lines.append(line)

    one = Listener(Recording(folder, tmp_path, "1"), "clip 0", warn)
    await one.hear(0, Window((), True, signals=tuple(out(n) for n in range(10))))
    assert len(one.noted.signals) == 3
    assert lines == [f"Source 0 of clip 0: {TOO_MANY}"]
    await one.hear(0, Window((), True, problems=tuple(map(str, range(100)))))
    assert len(lines) == MAX_PROBLEMS
