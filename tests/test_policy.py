from collections import Counter
from datetime import timedelta
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskengine.admission import Candidate, choose, rooms
from taskengine.model import BadInput, JobState
from taskengine.policy import (
    CALLBACK_PAUSES,
    LONGEST_RETRY,
    NUMBERS,
    Band,
    Settings,
    callback_retry_at,
    check_setting,
    in_force,
    initial_state,
    latest_clip_end,
    retry_at,
    settings_of,
)
from tests.conftest import NOON

CLIENTS = ("acme", "beta", "gamma")
SMALL = st.integers(0, 8)
TEXTS = st.fixed_dictionaries(
    {},
    optional={
        "max_jobs": SMALL.map(str),
        "priority_slots": SMALL.map(str),
        "priority_threshold": st.integers(1, 10).map(str),
    },
)
SYSTEMS = TEXTS.map(settings_of)
LIMITS = st.dictionaries(
    st.sampled_from(CLIENTS), TEXTS.map(lambda texts: settings_of(texts, client=True))
)
RUNNING = st.dictionaries(
    st.tuples(st.sampled_from(CLIENTS), st.sampled_from(Band)), st.integers(0, 4)
).map(Counter)
FIELDS = st.tuples(
    st.sampled_from(CLIENTS),
    st.booleans(),
    st.integers(1, 10),
    st.integers(1, 2),
    st.integers(0, 3),
)
QUEUES = st.lists(FIELDS, max_size=25).map(
    lambda rows: [
        Candidate(number, client, top, priority, position, NOON + timedelta(seconds=age))
        for number, (client, top, priority, position, age) in enumerate(rows, 1)
    ]
)


def candidate(number=1, client="acme", top=False, priority=5, position=1, age=0):
    return Candidate(number, client, top, priority, position, NOON - timedelta(seconds=age))


def bands(running, client=None):
    counted = Counter()
    for (owner, band), number in running.items():
        if client in (None, owner):
            counted[band] += number
    return counted[Band.LOW], counted[Band.HIGH]


def admitted(running, chosen):
    return running + Counter((one.client, band) for one, band in chosen)


@given(QUEUES, RUNNING, SYSTEMS, LIMITS)
def test_what_is_chosen_fits_at_both_levels(queue, running, system, limits):
    after = running
    for pair in choose(queue, running, system, limits):
        after = admitted(after, [pair])
        own = limits.get(pair[0].client, settings_of({}, client=True))
        assert system.fits(*bands(after))
        assert own.fits(*bands(after, pair[0].client))


@given(QUEUES, RUNNING, SYSTEMS, LIMITS)
def test_nobody_is_left_for_whom_there_is_room(queue, running, system, limits):
    chosen = choose(queue, running, system, limits)
    after = admitted(running, chosen)
    left = [one for one in queue if one not in [taken for taken, _ in chosen]]
    assert choose(left, after, system, limits) == []


@given(QUEUES, RUNNING, SYSTEMS, LIMITS)
def test_of_equals_the_best_are_chosen_in_order(queue, running, system, limits):
    chosen = [one for one, _ in choose(queue, running, system, limits)]
    assert chosen == sorted(chosen, key=lambda one: one.rank)
    for one in chosen:
        better = [
            other
            for other in queue
            if other.client == one.client
            and other.priority == one.priority
            and other.rank < one.rank
        ]
        assert all(other in chosen for other in better)


@given(QUEUES, RUNNING, SYSTEMS, LIMITS)
def test_a_client_gets_no_more_than_its_room(queue, running, system, limits):
    """What admission reads of a client's groups is bounded by its room, and nothing is missed."""
    room, own = rooms(running, system, limits)
    got = Counter((one.client, band) for one, band in choose(queue, running, system, limits))
    for client, band in product(CLIENTS, Band):
        assert got[client, band] <= own.get(client, room)[band]


@given(QUEUES, RUNNING, SYSTEMS, LIMITS)
def test_who_has_room_gets_a_slot(queue, running, system, limits):
    room, own = rooms(running, system, limits)
    for one in queue:
        of_client = own.get(one.client, room)
        band = Band(one.priority <= of_client[2])
        fits = [(one, band)] if of_client[band] > 0 else []
        assert choose([one], running, system, limits) == fits


@given(SYSTEMS, st.integers(0, 30), st.integers(0, 30))
def test_the_room_is_how_many_more_fit(settings, low, high):
    """Told too small, an admission would stop while slots are free."""
    if settings.fits(low, high) and settings.max_jobs is not None:
        more_low, more_high = settings.room(low, high)
        assert settings.fits(low + more_low, high)
        assert not settings.fits(low + more_low + 1, high)
        assert settings.fits(low, high + more_high)
        assert not settings.fits(low, high + more_high + 1)


def test_the_order_is_top_then_priority_then_position_then_age_then_id():
    order = [
        candidate(9, top=True, priority=9),
        candidate(8, priority=4, position=9),
        candidate(7, position=0),
        candidate(6, age=1),
        candidate(4),
        candidate(5),
    ]
    chosen = choose(reversed(order), {}, Settings(max_jobs=9), {})
    assert [one.id for one, _ in chosen] == [9, 8, 7, 6, 4, 5]


def test_a_low_job_leaves_reserved_slots_to_those_behind_it():
    system = Settings(max_jobs=2, priority_slots=2)
    queue = [candidate(1, top=True, priority=9), candidate(2, priority=5)]
    assert choose(queue, {}, system, {}) == [(queue[1], Band.HIGH)]


def test_more_reserved_slots_than_jobs_are_as_many():
    assert Settings(max_jobs=2, priority_slots=9).fits(0, 2)
    assert not Settings(max_jobs=2, priority_slots=9).fits(1, 0)


@pytest.mark.parametrize(
    ("low", "high", "fits"),
    [(2, 2, True), (3, 0, False), (2, 3, False), (0, 4, True), (1, 3, True), (0, 5, False)],
)
def test_bands_fit_as_the_rule_says(low, high, fits):
    assert Settings(max_jobs=4, priority_slots=2).fits(low, high) is fits


def test_the_threshold_belongs_to_the_priority_band():
    assert Settings(priority_threshold=3).band(3) is Band.HIGH
    assert Settings(priority_threshold=3).band(4) is Band.LOW


def test_a_client_is_low_where_it_or_the_system_says_so():
    for system, own, expected in ((8, 3, Band.LOW), (3, 8, Band.LOW), (8, 8, Band.HIGH)):
        limits = {"acme": settings_of({"priority_threshold": str(own)}, client=True)}
        settings = Settings(priority_threshold=system)
        [(_, band)] = choose([candidate(priority=7)], {}, settings, limits)
        assert band is expected


def test_what_a_client_does_not_set_does_not_bound_it():
    own = settings_of({"retry_limit": "7"}, client=True)
    assert (own.max_jobs, own.retry_limit) == (None, 7)
    assert own.band(10) is Band.HIGH
    assert settings_of({}) == Settings()
    assert settings_of({"colour": "blue"}) == Settings()


@pytest.mark.parametrize("text", ["", "many", "-1", "0.5", "٣", "9" * 30])
def test_a_stored_text_that_is_no_setting_counts_as_not_set(text, caplog):
    stored = dict.fromkeys(NUMBERS, text)
    for _ in range(3):
        assert settings_of(stored) == Settings()
        assert settings_of(stored, client=True) == settings_of({}, client=True)
    assert len(caplog.records) <= len(NUMBERS)


def test_the_settings_in_force_for_a_client():
    system = {"max_jobs": "9", "retry_limit": "8", "schedule_interval": "7", "retry_delay": "1"}
    own = {"retry_limit": "6", "schedule_interval": "5", "retry_delay": "soon"}
    found = in_force(system, own)
    assert (found.max_jobs, found.retry_limit) == (None, 6)
    assert (found.schedule_interval, found.retry_delay) == (7, 1)


@pytest.mark.parametrize("value", [4, "4", " 4 ", 4.0, "4.0"])
def test_a_setting_is_stored_as_text(value):
    assert check_setting("max_jobs", value) == "4"
    assert check_setting("colour", "blue") == "blue"


@pytest.mark.parametrize(
    "value", ["", "x", "-1", "--5", "²", "٣", "1.5", "9" * 5_000, 100_001, True, None, [1]]
)
def test_a_setting_out_of_range_is_refused(value):
    with pytest.raises(BadInput, match="max_jobs"):
        check_setting("max_jobs", value)


@pytest.mark.parametrize(
    ("refused", "run_at", "gate", "state"),
    [
        (True, None, True, JobState.BROKEN),
        (False, None, False, JobState.QUEUED),
        (False, NOON, False, JobState.QUEUED),
        (False, NOON + timedelta(microseconds=1), False, JobState.SCHEDULED),
        (False, None, True, JobState.SCHEDULED),
    ],
)
def test_a_submission_has_its_place(refused, run_at, gate, state):
    assert initial_state(refused=refused, run_at=run_at, gate=gate, now=NOON) is state


CLIPS = {"from": "clips", "start": "start", "end": "end"}


@pytest.mark.parametrize(
    ("clips", "end"),
    [
        (None, None),
        ([], None),
        ([{"end": "00:10:00"}, {}, {"end": 7}, "no clip"], None),
        ([{"end": "2031-02-01T12:00:00Z"}, {"end": "2031-02-01T11:59:00"}], NOON),
    ],
)
def test_the_latest_clip_that_names_a_time_counts(clips, end):
    assert latest_clip_end({"clips": clips}, CLIPS) == end


def test_retries_wait_longer_each_time_but_not_for_ever():
    waits = [(retry_at(NOON, 5, 2, n) - NOON).total_seconds() for n in (1, 2, 3, 2_000)]
    assert waits == [5, 10, 20, LONGEST_RETRY]


@given(st.integers(1, len(CALLBACK_PAUSES)), st.integers())
def test_callbacks_are_tried_again_after_their_pause_with_jitter(failures, seed):
    due_at = callback_retry_at(NOON, failures, Random(seed))
    pause = CALLBACK_PAUSES[failures - 1]
    assert 0.8 * pause <= (due_at - NOON).total_seconds() <= 1.2 * pause


def test_a_lane_is_dead_after_ten_tries():
    assert callback_retry_at(NOON, 10, Random()) is None
    assert [round(pause / 60, 2) for pause in CALLBACK_PAUSES] == [
        0.08,
        0.5,
        2,
        10,
        30,
        120,
        360,
        720,
        1440,
    ]


def test_the_tries_of_callbacks_are_jittered():
    """Receivers that come back are not met by all their lanes at once."""
    waits = [
        (callback_retry_at(NOON, 3, Random(seed)) - NOON).total_seconds() for seed in range(50)
    ]
    assert len(set(waits)) == 50
    assert 96 <= min(waits) < 105
    assert 135 < max(waits) <= 144
