"""Who starts when: queues through slots, each job as long as its workflow says."""

from collections import Counter
from datetime import timedelta

from taskengine.admission import Candidate, TakenSlots
from taskengine.jobs.queue_simulation import QueueSimulation, Waiter
from taskengine.policy import Band, Settings, settings_of
from tests.conftest import NOON

LASTS = {"film": 100.0, "still": 10.0}


def waiter(number, workflow="film", client="acme", priority=5, **more):
    created = NOON + timedelta(seconds=number)
    return Waiter(Candidate(number, client, False, priority, 1, created), workflow, **more)


def start(line, wanted, ends=(), system=None, clients=None):
    """When a job starts, in seconds; `ends` are of slots that are taken."""
    taken = Counter((client, band) for _, client, band in ends)
    slots = TakenSlots.of(taken, system or Settings(max_jobs=2), clients or {})
    ordered = sorted(line, key=lambda one: one.candidate.rank)
    return QueueSimulation(slots, ordered, list(ends), LASTS.__getitem__).start_of(wanted)


def busy(*ends, client="acme", band=Band.HIGH):
    return [(end, client, band) for end in ends]


def test_a_free_slot_is_taken_at_once():
    assert start([waiter(1)], 1, busy(50)) == 0


def test_a_job_waits_for_the_first_slot_that_becomes_free():
    assert start([waiter(1)], 1, busy(70, 50)) == 50


def test_jobs_before_it_hold_the_slots_as_long_as_they_last():
    line = [waiter(1, "still"), waiter(2), waiter(3), waiter(4)]
    assert [start(line, number, busy(50, 70)) for number in (1, 2, 3, 4)] == [50, 60, 70, 160]


def test_a_better_priority_goes_first():
    line = [waiter(1), waiter(2, priority=1)]
    assert start(line, 1, busy(50, 70)) == 70
    assert start(line, 2, busy(50, 70)) == 50


def test_a_client_at_its_cap_holds_up_no_other():
    line = [waiter(1), waiter(2), waiter(3, client="beta")]
    clients = {"acme": settings_of({"max_jobs": "1"}, client=True)}
    assert start(line, 3, busy(50), clients=clients) == 0
    assert start(line, 1, busy(50), clients=clients) == 50
    assert start(line, 2, busy(50), clients=clients) == 150


def test_a_reserved_slot_is_for_priority_jobs():
    system = Settings(max_jobs=2, priority_slots=1, priority_threshold=3)
    line = [waiter(1, priority=9), waiter(2, priority=3)]
    ends = busy(50, band=Band.LOW)
    assert start(line, 2, ends, system) == 0
    assert start(line, 1, ends, system) == 50


def test_who_comes_later_may_go_before():
    line = [waiter(1), waiter(2, priority=1, ready=60)]
    assert start(line, 1, busy(50, 500)) == 50
    assert start(line, 1, busy(70, 500)) == 170


def test_a_job_that_waits_for_its_time_starts_then():
    assert start([waiter(1, ready=33)], 1) == 33


def test_one_that_stands_for_several_takes_as_long_as_they():
    line = [waiter(1, copies=3.0), waiter(2)]
    assert start(line, 2, busy(0, 1000)) == 300


def test_who_can_never_start_is_not_told_a_time():
    assert start([waiter(1)], 1, system=Settings(max_jobs=0)) is None
    clients = {"acme": settings_of({"max_jobs": "0"}, client=True)}
    assert start([waiter(1)], 1, clients=clients) is None
