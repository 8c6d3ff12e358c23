"""A database's clock that is wrong once, is set, or drifts: engine time goes on (rule 24)."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskengine.runtime.clock import AGREEMENT, JUMP, SLEW, EngineClock

NOON = datetime(2031, 2, 1, 12, 0, tzinfo=UTC)
BEAT = 5.0  # seconds between two samples
HOURS = 7_200.0


class World:
    """A clock, and what the database's would say if nobody touched it."""

    def __init__(self):
        self.seconds = 0.0
        self.clock = EngineClock(lambda: self.seconds)
        self.sample()

    @property
    def error(self):
        """Seconds by which engine time is ahead."""
        return (self.clock() - NOON).total_seconds() - self.seconds

    def go(self, seconds):
        self.seconds += seconds

    def sample(self, ahead=0.0):
        told = NOON + timedelta(seconds=self.seconds + ahead)
        return self.clock.sample(told, self.seconds, self.seconds)


@pytest.mark.parametrize("ahead", [HOURS, -HOURS, 1e8, -1e8, JUMP + 1, -JUMP - 1])
def test_one_answer_that_is_far_off_changes_nothing(ahead, caplog):
    world = World()
    for answer in (0, ahead, 0, 0, ahead, 0):
        world.go(BEAT)
        assert world.sample(answer) is (answer == 0)
        assert world.error == pytest.approx(0, abs=1e-5)
    assert [one.levelname for one in caplog.records] == ["WARNING", "WARNING"]


@pytest.mark.parametrize("ahead", [HOURS, -HOURS])
def test_two_answers_that_agree_are_believed(ahead, caplog):
    world = World()
    for believed in (False, True, True):
        world.go(BEAT)
        assert world.sample(ahead) is believed
        assert world.error == pytest.approx(ahead if believed else 0, abs=1e-5)
    [error] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert f"was set {'forward' if ahead > 0 else 'back'} by 7200 s" in error.message


def test_answers_that_are_far_off_in_different_ways_are_not_believed():
    world = World()
    for ahead in (HOURS, -HOURS, HOURS + 60, HOURS, 1e6, HOURS + 90):
        world.go(BEAT)
        assert not world.sample(ahead)
    assert world.error == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("ahead", [JUMP - 1, 1 - JUMP, 0.5, -0.5])
def test_a_small_difference_is_made_up_for_at_a_bounded_speed(ahead):
    world = World()
    world.sample(ahead)
    world.go(1)
    assert world.error == pytest.approx(max(-SLEW, min(SLEW, ahead)))
    world.go(abs(ahead) / SLEW)
    assert world.error == pytest.approx(ahead)


def test_the_clock_of_the_review():
    """It said 02:00:05 for two hours."""
    told = []
    world = World()
    world.go(5)
    world.sample(HOURS)
    for seconds in (10, 60, 3600, 7100):
        world.seconds = seconds
        world.sample()
        told.append(world.clock())
    assert told == [NOON + timedelta(seconds=seconds) for seconds in (10, 60, 3600, 7100)]


pauses = st.floats(0.001, 60)
answers = st.lists(
    st.tuples(pauses, st.one_of(st.just(0.0), st.floats(-JUMP, JUMP), st.floats(-1e8, 1e8))),
    max_size=40,
)


@given(answers)
def test_time_goes_on_whatever_is_answered(given_answers):
    """Between two samples it gains half of what passes at least, and that and a half at most."""
    world = World()
    for pause, ahead in given_answers:
        before = world.clock()
        world.go(pause)
        gained = (world.clock() - before).total_seconds()
        assert pause * (1 - SLEW) - 1e-5 <= gained <= pause * (1 + SLEW) + 1e-5
        world.sample(ahead)


@given(answers, st.sampled_from([HOURS, -HOURS, 3.0, -3.0]))
def test_the_clock_agrees_with_whoever_is_right_for_long_enough(given_answers, ahead):
    world = World()
    for pause, answer in given_answers:
        world.go(pause)
        world.sample(answer)
    for _ in range(3):
        world.go(2 * JUMP / SLEW)
        world.sample(ahead)
    world.go(2 * JUMP / SLEW)
    assert world.error == pytest.approx(ahead, abs=1e-3)


@given(st.lists(st.tuples(pauses, st.floats(-1e8, 1e8)), max_size=40))
def test_no_single_answer_moves_it_by_more_than_a_jump(wrong):
    """Each wrong answer has right ones around it."""
    world = World()
    for pause, ahead in wrong:
        world.go(pause)
        world.sample(ahead)
        world.go(AGREEMENT)
        assert abs(world.error) <= JUMP
        world.sample()


@given(answers)
def test_the_clock_goes_back_only_with_a_line_of_its_own(given_answers):
    world = World()
    steps = []
    logger = logging.getLogger("taskengine.runtime.clock")
    handler = logging.Handler(logging.ERROR)
    handler.emit = steps.append
    logger.addHandler(handler)
    try:
        for pause, ahead in given_answers:
            world.go(pause)
            before, told = world.clock(), len(steps)
            world.sample(ahead)
            assert world.clock() >= before or len(steps) == told + 1
    finally:
        logger.removeHandler(handler)
