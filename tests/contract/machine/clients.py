"""What clients do: they submit jobs, look at them, change them and run them again."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, rule

from taskengine.model import JobState, Submission
from taskengine.policy import SYSTEM
from taskengine.store import JobFilter
from taskengine.testing.contract.world import (
    CHAIN,
    DIAMOND,
    LINE,
    PAIR,
    SINGLE,
    definition,
    submission,
)
from tests.contract.machine.asking import Refused, Twins

jobs = Bundle("jobs")

PLANS = {
    "single": SINGLE,
    "chain": CHAIN,
    "pair": PAIR,
    "diamond": DIAMOND,
    "calling": definition([], [], [0], [1, 2], callback={"files": ["x"]}),
    "refused": None,
}
GATES = st.sampled_from(["http://gate.test", "http://other.test"])
PRIORITIES = st.integers(1, 10)
RUN_IN = st.integers(-5, 20)  # seconds
FIELDS = {
    "plan": st.sampled_from(list(PLANS)),
    "urls": st.sampled_from([["http://a.test"], [f"http://{one}.test" for one in "abc"]]),
    "priority": PRIORITIES,
    "position": st.integers(1, 3),
    "top_of_queue": st.just(True),
    "client": st.just("beta"),
    "content_id": st.sampled_from(["Film", "film-2"]),
}
WAITING = {
    "run_in": RUN_IN,
    "semaphore_url": GATES,
    "persist": st.just(True),
    "idempotency_key": st.sampled_from(["one", "two"]),
}
JOBS = st.fixed_dictionaries({}, optional=FIELDS)
BATCHES = st.lists(JOBS, min_size=1, max_size=4)
ALL_JOBS = st.fixed_dictionaries({}, optional=FIELDS | WAITING)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "run_in": RUN_IN,
        "priority": PRIORITIES,
        "semaphore_url": st.one_of(st.none(), GATES),
        "top_of_queue": st.booleans(),
        "queue_state": st.sampled_from([JobState.QUEUED, JobState.PAUSED]),
    },
)
SETTINGS = st.one_of(
    st.tuples(st.just("max_jobs"), st.integers(1, 20)),
    st.tuples(st.just("priority_slots"), st.integers(1, 4)),
    st.tuples(st.just("priority_threshold"), PRIORITIES),
    st.tuples(st.just("weight"), st.integers(0, 3)),
)
ORDERS = ["id", "priority", "created_at", "state", "run_at", "updated_at"]
LISTS = {
    "limit": st.integers(1, 30),
    "order_by": st.sampled_from(ORDERS),
    "ascending": st.booleans(),
    "states": st.lists(st.sampled_from(JobState), max_size=2),
    "failed": st.booleans(),
    "search": st.sampled_from(["FILM", "2"]),
    "client": st.just("acme"),
}


class Asking(Twins):
    last_job = 0

    @initialize(target=jobs, batch=BATCHES)
    def submit_first(self, batch):
        return self.submit(batch)

    @rule(target=jobs, batch=BATCHES)
    def submit(self, batch):
        return multiple(*self._submit([self._submission(**one) for one in batch]))

    @rule(target=jobs, fields=ALL_JOBS, lost=st.booleans())
    def submit_one(self, fields, lost):
        """Where the answer is `lost`, it is submitted again."""
        one = self._submission(**fields)
        for _ in range(1 + lost):
            [job_id] = self._submit([one])
        return job_id

    @rule(target=jobs, parent=jobs, others=st.lists(jobs, max_size=2), fields=ALL_JOBS)
    def submit_child(self, parent, others, fields):
        parents = [parent, *others]
        [job_id] = self._submit([self._submission(**fields, depends_on=parents)])
        return job_id

    def _submit(self, batch: list[Submission]) -> list[int]:
        ids = self.same("submit", batch, self.now)
        self.last_job = max(self.last_job, *ids)
        self.close_gap(self.last_job)
        return ids

    def _submission(self, plan="single", run_in=None, **fields: Any) -> Submission:
        return submission(
            PLANS[plan],
            run_at=self.in_(run_in),
            lines=[LINE],
            submitted={"custom_data": {"n": self.seconds}},
            body_digest="same" if "idempotency_key" in fields else None,
            request_id=self.new_id(),
            **fields,
        )

    @rule(job=jobs)
    def pause(self, job):
        self._change(job, queue_state=JobState.PAUSED)

    @rule(job=jobs)
    def resume(self, job):
        self._change(job, queue_state=JobState.QUEUED)

    @rule(job=jobs)
    def break_(self, job):
        self._change(job, queue_state=JobState.BROKEN)

    @rule(job=jobs, changes=CHANGES)
    def change(self, job, changes):
        if "run_in" in changes:
            changes["run_at"] = self.in_(changes.pop("run_in"))
        self._change(job, **changes)

    def _change(self, job: int, **changes: Any) -> None:
        memory, postgres = self.both("change", job, changes, [LINE], self.now)
        if isinstance(memory, Refused):
            assert memory == postgres
        else:
            assert memory.job == postgres.job
            assert memory.called or not postgres.called

    @rule(target=jobs, job=jobs)
    def rerun(self, job):
        new = self.same("rerun", job, [LINE], self.now)
        if isinstance(new, Refused):
            return multiple()
        self.last_job = max(self.last_job, new)
        return new

    @rule(target=jobs, job=jobs)
    def retry(self, job):
        new = self.same("retry", job, [LINE], self.now)
        if isinstance(new, Refused):
            return multiple()
        self.last_job = max(self.last_job, new)
        return new

    @rule(client=st.sampled_from([SYSTEM, "acme", "beta"]), setting=SETTINGS)
    def put_setting(self, client, setting):
        name, value = setting
        self.same("put_setting", client, name, str(value))

    @rule(wanted=st.fixed_dictionaries({}, optional=LISTS))
    def look(self, wanted):
        self.same("jobs", JobFilter(**wanted))

    @rule(job=jobs)
    def look_at(self, job):
        self.same("job", job)
        self.lines(job)
