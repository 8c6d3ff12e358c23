"""The verdict on a hard run sees what is missing, doubled, mixed up, or told wrongly."""

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.chaos.capture.origins import Sent
from tests.chaos.capture.verdict import Evidence, judge

WANTED = [*range(10, 40), *range(50, 110)]
GOOD = Evidence(
    rate=Fraction(25),
    asked=range(10, 110),
    missing=frozenset(range(40, 50)),
    silent=frozenset(),
    shown={"v": WANTED},
    beeps=[0.6, 1.2, 2.2, 3.2],  # of the frames 25, 50, 75 and 100
    told=[(40, 50)],
    sent=[Sent("a", "/v/1", 900, True), Sent("b", "/v/2", 100, True), Sent("b", "/v/2", 50, False)],
)


def test_a_run_without_fault_holds():
    found = judge(GOOD)
    assert found.holds
    assert (found.frames, found.av_ms, found.broken_percent) == (90, 0, 5)


@pytest.mark.parametrize(
    ("change", "figure", "value"),
    [
        ({"shown": {"v": WANTED[1:]}}, "frames_missing", 1),
        ({"shown": {"v": WANTED, "w": WANTED[:-2]}}, "frames_missing", 2),
        ({"shown": {"v": [*WANTED, 109]}}, "frames_doubled", 1),
        ({"shown": {"v": [*WANTED, 110]}}, "frames_strange", 1),
        ({"shown": {"v": [11, 10, *WANTED[2:]]}}, "frames_out_of_order", 1),
        ({"told": []}, "gaps_wrong", [(40, 50)]),
        ({"told": [(40, 51)]}, "gaps_wrong", [(40, 50), (40, 51)]),
        ({"beeps": [0.6, 1.2, 2.2]}, "beeps_missing", 1),
        ({"beeps": [0.6, 1.2, 2.202, 3.2]}, "av_ms", 2.0),
        ({"sent": [*GOOD.sent, Sent("a", "/v/2", 100, True)]}, "twice_percent", 10),
    ],
)
def test_what_is_wrong_is_seen(change, figure, value):
    found = judge(replace(GOOD, **change))
    assert not found.holds
    assert getattr(found, figure) == value


def test_where_nobody_had_sound_no_beep_is_missed():
    assert judge(replace(GOOD, beeps=[0.6, 1.2, 3.2], silent=frozenset(range(70, 80)))).holds
