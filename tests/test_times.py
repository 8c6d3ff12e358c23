from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskengine.times import format_time, parse_time

MOMENTS = st.datetimes(
    min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=st.just(UTC)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-09-09T14:30:00.000", datetime(2020, 9, 9, 14, 30)),
        ("2020-09-09T14:30:00Z", datetime(2020, 9, 9, 14, 30)),
        ("2020-09-09t14:30:00z", datetime(2020, 9, 9, 14, 30)),
        ("2020-09-09 14:30", datetime(2020, 9, 9, 14, 30)),
        (" 2020-09-09T14:30:00.5+02:00 ", datetime(2020, 9, 9, 12, 30, 0, 500_000)),
        ("2020-09-09T14:30:00,123456789-0130", datetime(2020, 9, 9, 16, 0, 0, 123_000)),
        ("2020-09-09", datetime(2020, 9, 9)),
    ],
)
def test_times_are_read_with_and_without_zone_and_fraction(text, expected):
    assert parse_time(text) == expected.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "14:30:00",
        "2020-02-30",
        "2020-09-09T25:00",
        "2020-09-09T14:30:00+99:00",
        "2020-9-9",
        "1599661800",
        "2020-09-09T14:30:00Z, or so",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2020-09-09T14:30:00" + "0" * 10_000,
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


def test_times_are_written_in_utc_with_three_digits():
    east = timezone(timedelta(hours=2))
    assert (
        format_time(datetime(2019, 11, 29, 12, 47, 50, 431_999, east)) == "2019-11-29T10:47:50.431Z"
    )
    assert format_time(datetime(2019, 11, 29, tzinfo=UTC)) == "2019-11-29T00:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_the_first_and_the_last_moment_are_no_infinities(text, written):
    """What .NET writes for a time that is not set; asyncpg reads the extremes as infinity."""
    moment = parse_time(text)
    assert datetime.min < moment.replace(tzinfo=None) < datetime.max
    assert format_time(moment) == written


@given(MOMENTS)
def test_what_is_written_is_read_as_it_was_to_the_millisecond(moment):
    read = parse_time(format_time(moment))
    assert timedelta(0) <= moment - read < timedelta(milliseconds=1)
