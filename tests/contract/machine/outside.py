"""What goes to the world outside and comes back: callbacks and gates."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, rule

from taskengine.model import Delivery, Lane, LaneResult
from taskengine.store import GateAnswer
from tests.contract.alike import plain
from tests.contract.machine.asking import Twins
from tests.contract.machine.clients import jobs
from tests.contract.machine.instances import HOSTS

lanes = Bundle("lanes")  # claimed, perhaps of old
gates = Bundle("gates")


class Claimed(NamedTuple):
    """A lane as either store tells it: the ids of callbacks are its own."""

    instance: int
    twins: tuple[Lane, Lane]


class Calling(Twins):
    @rule(
        target=lanes,
        host=HOSTS,
        limit=st.integers(1, 6),
        busy=st.sampled_from([[], ["a.test"]]),
    )
    def claim_lanes(self, host, limit, busy):
        return multiple(*self._claim_lanes(self.instances[host], limit, busy))

    @rule(host=HOSTS)
    def deliver_all(self, host):
        while claimed := self._claim_lanes(self.instances[host], 32, []):
            for lane in claimed:
                self._deliver(lane, 16)

    def _claim_lanes(self, instance, limit, busy):
        memory, postgres = self.both("claim_lanes", instance, limit, busy, self.now)
        alike = [([plain(lane) for lane in told], due_at) for told, due_at in (memory, postgres)]
        assert alike[0] == alike[1]
        pairs = zip(memory[0], postgres[0], strict=True)
        return [Claimed(instance, pair) for pair in pairs]

    @rule(lane=lanes, number=st.integers(1, 16))
    def deliver(self, lane, number):
        self._deliver(lane, number)

    @rule(lane=lanes, number=st.integers(1, 16), again_in=st.sampled_from([5, None]))
    def deliver_in_vain(self, lane, number, again_in):
        """The last of so many; where it is not tried again, the lane is dead."""
        due_at = self.in_(again_in)
        self._deliver(lane, number, delivered=False, status=500, error="no", due_at=due_at)

    def _deliver(self, lane: Claimed, number: int, **last) -> None:
        tries = []
        for one in lane.twins:
            deliveries = [Delivery(told.id, self.now, True, 200) for told in one.callbacks[:number]]
            deliveries[-1] = replace(deliveries[-1], **last)
            tries.append((lane.instance, [LaneResult(one.fence, deliveries)]))
        self.each("deliver", *tries)

    @rule(lane=lanes)
    def release_lane(self, lane):
        self.same("release_lanes", lane.instance, [lane.twins[0].fence], self.now)

    @rule(job=jobs, place=st.integers(0, 12))
    def replay(self, job, place):
        memory, postgres = self.look_at_callbacks(job)
        if memory:
            number = place % len(memory)
            self.each("replay", *([log[number].id, self.now] for log in (memory, postgres)))

    def look_at_callbacks(self, job):
        memory, postgres = self.both("callbacks", job)
        assert [replace(one, id=0) for one in memory] == [replace(one, id=0) for one in postgres]
        return memory, postgres

    @rule(
        target=gates,
        limit=st.integers(1, 5),
        busy=st.sampled_from([[], ["gate.test"]]),
        lease=st.integers(1, 20),
    )
    def claim_gates(self, limit, busy, lease):
        arguments = (limit, busy, self.now, timedelta(seconds=lease))
        memory, postgres = (
            (sorted(told, key=lambda gate: gate.job_id), due_at)
            for told, due_at in self.both("claim_gates", *arguments)
        )
        assert memory == postgres
        return multiple(*memory[0])

    @rule(gate=gates, others=st.lists(gates, max_size=2), again_in=st.sampled_from([None, 5]))
    def answer_gates(self, gate, others, again_in):
        """They are open where they are not asked again."""
        answer = "HTTP 503" if again_in else "HTTP 200"
        by_job = {gate.job_id: gate for gate in [gate, *others]}
        answers = [
            GateAnswer(gate, answer, self.now, self.in_(again_in)) for gate in by_job.values()
        ]
        self.same("answer_gates", answers)
