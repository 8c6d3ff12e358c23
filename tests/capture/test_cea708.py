"""CEA-708 captions, by packets that are written here as the standard has them: what a viewer of a
service sees."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskengine.capture.cues import Cue
from taskengine.capture.inside import captions, repeated
from taskengine.media.cc_data import CcData

FRAME = Fraction(1, 25)
CLEAR, SHOW, HIDE, TOGGLE, DELETE = 0x88, 0x89, 0x8A, 0x8B, 0x8C
DELAY, GO_ON, RESET, PLACE = 0x8D, 0x8E, 0x8F, 0x92
BACK, FORM_FEED, RETURN, CUT_ROW = 0x08, 0x0C, 0x0D, 0x0E


def define(number=0, *, seen=False, rows=2, vertical=70):
    """A window whose pen is at its first letter."""
    return bytes([0x98 + number, 0x20 * seen, vertical, 10, rows - 1, 31, 0])


def block(service, data):
    head = [service << 5 | len(data)] if service < 7 else [7 << 5 | len(data), service]
    return bytes(head) + data


def packet(*blocks, sequence=0):
    """Triples: a start, and what follows."""
    body = b"".join(blocks)
    size = 1 + len(body) + (1 + len(body)) % 2
    data = bytes([sequence << 6 | size // 2]) + body + bytes((1 + len(body)) % 2)
    pairs = zip(data[::2], data[1::2], strict=True)
    return [(2 if n else 3, *pair) for n, pair in enumerate(pairs)]


def decoded(*rows, end=200, breaks=()):
    """By service, each cue's first picture, the one after its last, and its text. A row has the
    number of a picture and what it says, of service 1 if nothing else is said."""
    data = []
    for number, said in rows:
        triples = said if isinstance(said, list) else packet(block(1, said))
        data.append(CcData(number * FRAME, tuple(triples)))
    found = captions(data, end * FRAME, [n * FRAME for n in breaks])
    return {
        name: [(cue.start / FRAME, cue.end / FRAME, cue.text) for cue in cues]
        for name, cues in found.items()
    }


def test_a_window_is_seen_from_where_it_is_displayed_to_where_it_is_hidden():
    rows = [(0, define() + b"HELLO"), (20, bytes([SHOW, 1])), (60, bytes([HIDE, 1]))]
    assert decoded(*rows) == {"SERVICE1": [(20, 60, "HELLO")]}


@pytest.mark.parametrize("ending", [bytes([CLEAR, 1]), bytes([DELETE, 1]), bytes([TOGGLE, 1]),
                                    bytes([RESET]), bytes([FORM_FEED])])  # fmt: skip
def test_whatever_takes_a_text_away_ends_it(ending):
    rows = [(0, define(seen=True) + b"ONE"), (50, ending)]
    assert decoded(*rows) == {"SERVICE1": [(0, 50, "ONE")]}


def test_a_text_takes_the_place_of_another_and_ends_with_the_result():
    first = define(0) + b"ONE"
    second = define(1) + b"TWO"
    swapped = bytes([HIDE, 1, SHOW, 2])
    rows = [(0, first), (10, bytes([SHOW, 1])), (30, second), (50, swapped)]
    assert decoded(*rows) == {"SERVICE1": [(10, 50, "ONE"), (50, 200, "TWO")]}


def test_lines_roll_up_when_the_next_one_is_begun():
    rows = [
        (0, define(seen=True) + b"ONE"),
        (10, bytes([RETURN]) + b"TWO"),
        (20, bytes([RETURN])),
        (30, b"THR"),
        (31, b"EE"),
    ]
    assert decoded(*rows) == {
        "SERVICE1": [(0, 10, "ONE"), (10, 30, "ONE\nTWO"), (30, 200, "TWO\nTHREE")]
    }


def test_windows_stand_below_each_other_as_they_lie_on_the_screen():
    below = define(0, vertical=80) + b"BELOW"
    above = define(1, vertical=5) + b"ABOVE"
    rows = [(0, below), (1, above), (10, bytes([SHOW, 3]))]
    assert decoded(*rows) == {"SERVICE1": [(10, 200, "ABOVE\nBELOW")]}


def test_the_pen_is_put_to_a_row_and_a_column_and_steps_back():
    moved = bytes([PLACE, 1, 4]) + b"LOW" + bytes([PLACE, 0, 2]) + b"HIGHX" + bytes([BACK])
    cut = bytes([PLACE, 1, 7]) + b"MORE" + bytes([CUT_ROW]) + b"END"
    rows = [(0, define() + moved), (5, cut), (10, bytes([SHOW, 1]))]
    assert decoded(*rows) == {"SERVICE1": [(10, 200, "HIGH\nEND")]}


def test_letters_of_all_sets_are_told_apart_from_codes_of_any_length():
    extended = b"\x10\x39\x10\xa0\x10\x0f?\x10\x85????\x10\x91\x02??"
    said = (
        b"<Ca\xf1a>\x7f"
        + extended
        + b"\x18??\x11?\x97\x00\x00\x00\x00\x90\x05\x00\x91\x2a\x00\x00!"
    )
    rows = [(0, define()), (1, said[:20]), (2, said[20:]), (9, bytes([SHOW, 1]))]
    assert decoded(*rows) == {"SERVICE1": [(9, 200, "&lt;Caña&gt;♪™[CC]!")]}


def test_a_delay_holds_up_what_follows_until_its_end():
    rows = [
        (0, define() + b"ONE" + bytes([DELAY, 8])),  # tenths of a second
        (10, bytes([SHOW, 1])),
        (50, bytes([HIDE, 1, DELAY, 8, GO_ON, SHOW, 1])),
    ]
    assert decoded(*rows) == {"SERVICE1": [(20, 50, "ONE"), (50, 200, "ONE")]}


def test_services_are_told_apart_and_those_beyond_the_sixth_are_passed_over():
    both = packet(
        block(1, define(seen=True) + b"ONE"),
        block(9, b"NINE"),
        block(6, define(seen=True) + b"SIX"),
    )
    assert decoded((3, both)) == {"SERVICE1": [(3, 200, "ONE")], "SERVICE6": [(3, 200, "SIX")]}


def test_a_packet_may_be_spread_over_pictures_and_one_that_is_cut_is_passed_over():
    triples = packet(block(1, define(seen=True) + b"SPREAD"))
    cut = packet(block(1, bytes([RESET]) + b"CUT"))[:-1]
    rows = [(0, triples[:2]), (1, triples[2:]), (10, cut), (20, packet(block(1, b"!")))]
    assert decoded(*rows) == {"SERVICE1": [(1, 200, "SPREAD!")]}


def test_a_joint_ends_what_was_seen_before():
    rows = [(0, define(seen=True) + b"BEFORE"), (40, b"LOST"), (50, define(seen=True) + b"AFTER")]
    assert decoded(*rows, breaks=[30]) == {"SERVICE1": [(0, 30, "BEFORE"), (50, 200, "AFTER")]}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 255), st.integers(0, 255))))
def test_whatever_pictures_say_cues_follow_each_other_with_a_text(triples):
    data = [CcData(n * FRAME, (one,)) for n, one in enumerate(triples)]
    for cues in captions(data, len(data) * FRAME).values():
        assert all(cue.start < cue.end and cue.text for cue in cues)
        ends = [cue.end for cue in cues]
        assert ends == sorted(ends)


def test_a_service_that_says_what_line_21_says_is_known_by_its_words():
    def said(*texts):
        return [Cue(Fraction(n), Fraction(n + 1), text) for n, text in enumerate(texts)]

    found = {
        "CC1": said("THE SAME WORDS AGAIN", "AND MORE"),
        "SERVICE1": said("The same\nwords again", "and more"),
        "SERVICE2": said("otras palabras"),
        "SERVICE3": [],
    }
    assert repeated(found) == {"SERVICE1"}
