"""When schedules run."""

from datetime import UTC, datetime, timedelta

import pytest

from taskengine.model import BadInput
from taskengine.schedules import BUILT_IN, SAFETY, Schedule, cron_after, with_interval
from tests.conftest import NOON


def seconds(number):
    return NOON + timedelta(seconds=number)


def every(number, **fields):
    return Schedule("name", "SubmitJob", "", every=number, **fields)


def test_a_schedule_runs_first_when_it_says():
    assert every(60, first_in=5).first(NOON) == seconds(5)
    assert Schedule("name", "SubmitJob", "", cron="30 4 * * *").first(NOON) == datetime(
        2031, 2, 2, 4, 30, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("late", "following"), [(0, 60), (1, 60), (59.9, 60), (60, 120), (601, 660)]
)
def test_missed_ticks_run_once_and_the_beat_stays(late, following):
    assert every(60).following(NOON, seconds(late)) == seconds(following)


@pytest.mark.parametrize(
    ("cron", "following"),
    [
        ("0 12 * * *", "2031-02-02T12:00"),  # after, never at
        ("*/15 * * * *", "2031-02-01T12:15"),
        ("0 9 * * mon-fri", "2031-02-03T09:00"),
        ("0 0 29 2 *", "2032-02-29T00:00"),
        ("0 0 L * *", "2031-02-28T00:00"),
    ],
)
def test_cron_times_are_utc(cron, following):
    expected = datetime.fromisoformat(following).replace(tzinfo=UTC)
    assert cron_after(cron, NOON) == expected


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "a b c d e",
        "*/0 * * * *",
        ", * * * *",
        "0 0 31 2 *",
        "0 0 30 2 *",
        "\N{ARABIC-INDIC DIGIT ONE} * * * *",
        "1" * 5000 + " * * * *",
    ],
)
def test_what_is_no_cron_expression_is_refused(cron):
    with pytest.raises(BadInput, match=r"^cron: "):
        cron_after(cron, NOON)


def test_the_interval_of_the_scheduled_jobs_is_the_setting():
    [queue, rescue, _] = (with_interval(one, 90) for one in BUILT_IN)
    assert (queue.every, rescue.every) == (90, 60)


def test_safety_schedules_are_built_in():
    assert {one.name for one in BUILT_IN} >= SAFETY
