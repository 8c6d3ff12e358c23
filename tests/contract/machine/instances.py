"""What instances do: they come and go, admit jobs, claim tasks and tell what became of them."""

from __future__ import annotations

import json
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, rule

from taskengine.model import Began, Ended, Fence, Outcome, Progressed, Record, Severity, Written
from taskengine.testing.contract.world import ACTION
from tests.contract.alike import opened
from tests.contract.machine.asking import Refused, Twins

HOSTS = st.integers(0, 2)  # with an instance each
held = Bundle("held")  # attempts, perhaps of old


class Held(NamedTuple):
    """An attempt, and who has claimed it."""

    instance: int
    fence: Fence


REPORTS = st.fixed_dictionaries(
    {},
    optional={
        "began": st.just(True),
        "severity": st.sampled_from(Severity),
        "progress": st.sampled_from([0, 0.25, 0.5, 1]),
        "outcome": st.sampled_from(Outcome),
        "again_in": st.integers(0, 9),
    },
)


class Working(Twins):
    @initialize()
    def start(self):
        self.processes = [self.new_id() for _ in range(3)]
        self.instances = [self._join(host) for host in range(3)]

    def _join(self, host: int) -> int:
        return self.same("join", "one", self.now, 15.0, self.processes[host])

    @rule(host=HOSTS)
    def leave(self, host):
        self.same("leave", self.instances[host], self.now)
        self._start_anew(host)

    @rule(host=HOSTS, known=st.booleans())
    def rescue(self, host, known):
        instance = self.instances[host]
        if known:
            self.same("declare_dead", self.processes[host])
            assert self.same("beat", instance) == Refused("Dismissed", "")
        beats = self.same("beats")
        self._recorded(*self.both("rescue", instance, beats[instance], self.now))
        self._start_anew(host)

    def _start_anew(self, host: int) -> None:
        gone = self.instances[host]
        for method in (
            ["beat", gone],
            ["claim", gone, "work", [ACTION], 5, self.new_id(), self.now],
        ):
            assert self.same(*method) == Refused("Dismissed", "")
        self.processes[host] = self.new_id()
        self.instances[host] = self._join(host)

    @rule(host=HOSTS)
    def beat(self, host):
        self.same("beat", self.instances[host])

    @rule(seconds=st.integers(0, 20))
    def queue_due(self, seconds):
        """So many seconds later."""
        self.seconds += seconds
        self.same("queue_due", self.now)

    @rule(host=HOSTS, limit=st.sampled_from([500, 1, 3]))
    def admit(self, host, limit):
        self._admit(self.instances[host], limit)

    def _admit(self, instance: int, limit: int = 500) -> None:
        self.same("admit", instance, self.now, limit)

    @rule(target=held, host=HOSTS, limit=st.integers(1, 5), lost=st.booleans())
    def claim(self, host, limit, lost):
        """From what can be admitted. Where the answer is `lost`, it is asked again."""
        instance = self.instances[host]
        self._admit(instance)
        return multiple(*self._claim(instance, limit, times=1 + lost))

    @rule(target=held, host=HOSTS)
    def work(self, host):
        """All there is to do, until nothing can go on."""
        instance, done = self.instances[host], []
        self._admit(instance)
        while claimed := self._claim(instance, 10):
            self._complete(instance, claimed)
            done += claimed
        return multiple(*done)

    def _claim(self, instance: int, limit: int, times: int = 1) -> list[Held]:
        claim_id = self.new_id()
        for _ in range(times):
            given = (instance, "work", [ACTION], limit, claim_id, self.now)
            claimed, postgres = self.both("claim", *given)
            assert opened(claimed) == opened(postgres)
        return [Held(instance, one.fence) for one in claimed.attempts]

    @rule(attempt=held, others=st.lists(held, max_size=4))
    def complete(self, attempt, others):
        self._complete(attempt.instance, dict.fromkeys([attempt, *others]))

    def _complete(self, instance: int, attempts) -> None:
        done = {"began": True, "outcome": Outcome.COMPLETED}
        self._record(instance, [one for held in attempts for one in self._told(held.fence, **done)])

    @rule(
        attempt=held,
        others=st.lists(held, max_size=2),
        reports=st.lists(REPORTS, min_size=1, max_size=3),
    )
    def tell(self, attempt, others, reports):
        """As the holder of the first."""
        told = dict(zip([attempt, *others], reports, strict=False))
        records = [one for held in told for one in self._told(held.fence, **told[held])]
        self._record(attempt.instance, records)

    def _record(self, instance: int, records: list[Record]) -> None:
        memory, postgres = self.both("record", instance, records, self.now)
        assert memory.stale == postgres.stale
        self._recorded(memory, postgres)

    def _told(self, fence, began=False, severity=None, progress=None, outcome=None, again_in=0):
        told: list[Record] = [Began(fence, self.now)] if began else []
        if severity is not None:
            told.append(Written(fence, self.now, "line", severity))
        if progress is not None:
            told.append(Progressed(fence, progress))
        if outcome is not None:
            due_at = self.in_(again_in) if outcome is Outcome.RETRY else None
            error = "boom" if outcome in (Outcome.FAILED, Outcome.RETRY) else None
            result = json.dumps({"n": again_in}) if outcome is Outcome.COMPLETED else None
            told.append(Ended(fence, self.now, outcome, result, error, due_at))
        return told

    def _recorded(self, memory, postgres) -> None:
        """Hints may be given once too often, but never once too rarely."""
        assert (memory is None) == (postgres is None)
        if memory is not None:
            assert sorted(memory.ended_jobs) == sorted(postgres.ended_jobs)
            assert memory.woken or not postgres.woken
            assert memory.called or not postgres.called
