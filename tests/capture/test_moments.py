"""Times as lines and callbacks tell them."""

from fractions import Fraction

from taskengine.capture.moments import told


def test_times_beyond_the_calendar_are_told_in_seconds():
    assert told(Fraction(1), has_clock=True) == "1970-01-01T00:00:01.000Z"
    assert told(Fraction(10**12), has_clock=True) == 10**12
    assert told(Fraction(10**18), has_clock=True) == 10**18
    assert told(Fraction(5, 3), has_clock=False) == 1.667
