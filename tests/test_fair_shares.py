"""Fair shares as pure rules: the bounds of start-time fair queueing, for any weights."""

from collections import Counter
from itertools import combinations, count
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from taskengine.admission import Candidate, TakenSlots
from taskengine.fair_shares import STRIDE, Shares, choose_fairly, weights_of
from taskengine.policy import SYSTEM, Settings
from tests.conftest import NOON

WEIGHTS = st.lists(st.integers(1, 1000), min_size=2, max_size=6)
ADMISSIONS = st.lists(st.integers(1, 7), min_size=1, max_size=40)  # slots that come free at once


def named(weights):
    return {f"client {number}": weight for number, weight in enumerate(weights)}


class Queue:
    """Clients whose backlogs never end, admitted some at a time."""

    def __init__(self, weights, **backlog):
        self.shares = Shares(weights)
        self.numbers = count(1)
        self.backlog = backlog or dict.fromkeys(weights, 7)
        self.served = []

    def jobs(self):
        return [
            Candidate(next(self.numbers), client, False, 5, 1, NOON)
            for client, number in self.backlog.items()
            for _ in range(number)
        ]

    def admit(self, slots):
        taken = TakenSlots.of({}, Settings(max_jobs=slots), {})
        chosen = choose_fairly(self.jobs(), taken, self.shares)
        for one, _ in chosen:
            self.shares.serve(one.client)
            self.served.append(one.client)


@given(WEIGHTS, ADMISSIONS)
def test_what_two_clients_get_differs_by_a_job_of_each_at_most(weights, admissions):
    """Of any stretch of admissions: |n1 / w1 - n2 / w2| <= 1 / w1 + 1 / w2, with strides for 1 / w,
    since they are whole."""
    queue = Queue(named(weights))
    for slots in admissions:
        queue.admit(slots)
    for begin in range(0, len(queue.served), 5):
        got = Counter(queue.served[begin:])
        for one, two in combinations(queue.backlog, 2):
            strides = queue.shares.stride(one), queue.shares.stride(two)
            apart = got[one] * strides[0] - got[two] * strides[1]
            assert abs(apart) <= sum(strides)


@given(WEIGHTS, ADMISSIONS)
def test_a_client_that_was_idle_waits_for_one_job_of_each_other_at_most(weights, admissions):
    queue = Queue(named(weights))
    for slots in admissions:
        queue.admit(slots)
    queue.backlog["late"] = 1
    queue.served.clear()
    while "late" not in queue.served:
        queue.admit(1)
    assert len(queue.served) - 1 <= len(weights)
    assert max(Counter(queue.served).values()) == 1


@given(WEIGHTS, st.integers(1, 1000), ADMISSIONS)
def test_between_two_jobs_of_a_client_others_have_as_many_as_their_weight_says(
    weights, own, admissions
):
    queue = Queue({**named(weights), "own": own})
    for slots in admissions:
        queue.admit(slots)
    for _ in range(2):
        queue.served.clear()
        while "own" not in queue.served:
            queue.admit(1)
    between = Counter(queue.served[:-1])
    for client in named(weights):
        strides = queue.shares.stride("own"), queue.shares.stride(client)
        assert between[client] <= ceil(strides[0] / strides[1]) + 1


def test_virtual_times_are_exact_and_never_go_back():
    shares = Shares({"acme": 3}, {SYSTEM: 5 * STRIDE, "acme": 7 * STRIDE})
    shares.serve("beta")
    assert shares.times == {SYSTEM: 5 * STRIDE, "acme": 7 * STRIDE, "beta": 6 * STRIDE}
    shares.serve("acme")
    assert shares.times[SYSTEM] == 7 * STRIDE
    assert shares.times["acme"] == 7 * STRIDE + 333_333
    assert shares.start("beta") == 7 * STRIDE


def test_a_stored_text_that_is_no_weight_is_none():
    stored = {"": "0", "acme": "3", "beta": "much", "gamma": "1001", "delta": "-1"}
    assert weights_of(stored) == {"acme": 3}
    shares = Shares({"": 2, "acme": 3})
    assert [shares.weight(name) for name in ("acme", "beta")] == [3, 2]
