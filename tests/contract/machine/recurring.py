"""Schedules and their ticks."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, rule

from taskengine.schedules import BUILT_IN, BUILT_IN_NAMES, SUBMIT_JOB, Schedule
from tests.contract.machine.asking import Twins

ticks = Bundle("ticks")  # claimed, perhaps of old
OWN = ["nightly", "weekly"]
NAMES = st.sampled_from([*OWN, *(one.name for one in BUILT_IN)])
CLIENTS = st.sampled_from(["acme", "beta"])


class Recurring(Twins):
    @rule(name=NAMES, client=CLIENTS, every=st.integers(1, 60), active=st.booleans())
    def put_schedule(self, name, client, every, active):
        one = Schedule(
            name,
            SUBMIT_JOB,
            description="",
            every=every,
            first_in=every,
            active=active,
            client=client,
            body={"job": {"workflow": "demo"}},
        )
        self.same("put_schedule", one.starting(self.now))

    @rule(name=NAMES, client=CLIENTS)
    def remove_schedule(self, name, client):
        self.same("remove_schedule", name, client)

    @rule(client=CLIENTS)
    def remove_client(self, client):
        self.same("remove_client", client)

    @rule(name=NAMES, client=CLIENTS, active=st.booleans())
    def activate(self, name, client, active):
        self.same("activate", name, None if name in BUILT_IN_NAMES else client, active, self.now)

    @rule(target=ticks, lease=st.integers(1, 30))
    def claim_ticks(self, lease):
        due, _ = self.same("claim_ticks", self.now, timedelta(seconds=lease))
        return multiple(*due)

    @rule(tick=ticks)
    def end_tick(self, tick):
        self.same("end_tick", tick)

    def teardown(self):
        self.same("schedules")
