"""Promises of pauses: what runs goes on, nothing new begins, and after it all that waited does."""

import uuid

import pytest

from taskengine.jobs.explanation import explanation
from taskengine.model import JobState
from taskengine.pauses import Pause, PauseKind
from taskengine.policy import SYSTEM
from taskengine.testing.contract.world import ACTION, PAIR, at, definition, done, submission
from taskengine.testing.times import NOON

KINDS = [("client", "acme"), ("workflow", "demo"), ("queue", "work"), ("instance", "first")]
REPORT = definition([], name="report")


def pause(kind, name, until=None, since=NOON):
    return Pause(PauseKind(kind), name, since, "root", until)


class Pauses:
    async def reasons(self, world, job_id, now=NOON):
        told = explanation(await world.store.waiting_state(job_id), now)["reasons"]
        return {one["reason"]: one["message"] for one in told}

    async def runs(self, world, now=NOON):
        """Whether a job of acme that is queued comes to run."""
        await world.admit(now)
        return bool(await world.claim(1, now))

    @pytest.mark.parametrize(("kind", "name"), KINDS)
    async def test_nothing_new_begins_until_a_pause_ends(self, world, kind, name):
        await world.store.put_pause(pause(kind, name))
        await world.submit(submission())
        assert not await self.runs(world)
        assert await world.store.remove_pause(kind, name)
        assert not await world.store.remove_pause(kind, name)
        await world.store.end_pauses(NOON)
        assert await self.runs(world)

    @pytest.mark.parametrize(("kind", "name"), KINDS)
    async def test_a_pause_ends_by_itself_at_its_time(self, world, kind, name):
        await world.store.put_pause(pause(kind, name, until=at(60)))
        await world.submit(submission())
        assert not await self.runs(world, at(59.999))
        assert await world.store.end_pauses(at(59.999)) == (0, at(60))
        number, later = await world.store.end_pauses(at(60))
        assert (number > 0, later) == (True, None)
        assert await self.runs(world, at(60))
        assert await world.store.pauses() == []

    @pytest.mark.parametrize(("kind", "name"), KINDS)
    async def test_what_runs_goes_on_in_a_pause(self, world, kind, name):
        job_id = await world.start()
        [attempt] = await world.claim()
        await world.store.put_pause(pause(kind, name))
        await world.record(done(attempt))
        assert await world.states(job_id) == ["completed", "completed"]

    @pytest.mark.parametrize(
        ("kind", "name"),
        [("client", "beta"), ("workflow", "x"), ("queue", "windows_capture"), ("instance", "x")],
    )
    async def test_a_pause_of_others_holds_up_nobody(self, world, kind, name):
        await world.store.put_pause(pause(kind, name))
        await world.submit(submission())
        assert await self.runs(world)

    async def test_pauses_are_listed_and_given_anew(self, world):
        given = [pause("workflow", "demo"), pause("client", "acme", at(5))]
        for one in [*given, pause("client", "acme", at(9))]:
            await world.store.put_pause(one)
        assert list(await world.store.pauses()) == [pause("client", "acme", at(9)), given[0]]

    async def test_a_paused_client_hides_nobody_and_keeps_its_limits(self, world):
        await world.setting("acme", max_jobs=1)
        await world.store.put_pause(pause("client", "acme"))
        ids = await world.submit(submission(), submission(), submission(client="beta"))
        assert await world.admit() == 1
        assert (await world.states(ids[2]))[0] == "started"
        waiting = await world.store.waiting_state(ids[0])
        assert waiting.client.settings.max_jobs == 1
        await world.store.remove_pause("client", "acme")
        assert await world.admit() == 1

    async def test_the_second_task_of_a_started_job_of_a_paused_client_begins(self, world):
        """A client's or a workflow's pause is one of jobs: what has started comes to its end."""
        job_id = await world.start(definition([], [0]))
        for kind, name in KINDS[:2]:
            await world.store.put_pause(pause(kind, name))
        await world.perform(job_id)
        assert (await world.states(job_id))[0] == "completed"

    async def test_jobs_of_a_paused_workflow_are_set_aside_and_hide_nobody(self, world):
        await world.setting(SYSTEM, max_jobs=1)
        await world.store.put_pause(pause("workflow", "demo"))
        ids = await world.submit(*(submission(priority=1) for _ in range(3)))
        [other] = await world.submit(submission(REPORT, workflow="report", priority=9))
        assert await world.admit() == 1
        assert (await world.states(other))[0] == "started"
        assert {(await world.states(one))[0] for one in ids} == {"paused"}
        last = (await world.lines(ids[0]))[-1]
        assert last == ("controller", 0, "workflow 'demo' is paused: the job is set aside")

    async def test_jobs_that_were_set_aside_start_in_their_order(self, world):
        await world.setting(SYSTEM, max_jobs=1)
        await world.store.put_pause(pause("workflow", "demo", until=at(60)))
        ids = await world.submit(submission(), submission(position=0))
        await world.admit()
        [late] = await world.submit(submission(REPORT, workflow="report"), now=at(30))
        while (await world.store.end_pauses(at(60)))[0]:
            pass
        assert [(await world.states(one))[0] for one in ids] == ["queued", "queued"]
        order = []
        while await world.admit(at(61)):
            [attempt] = await world.claim(1, at(61))
            order.append(attempt.job.id)
            await world.record(done(attempt, at(61)))
        assert order == [ids[1], ids[0], late]

    async def test_shares_pass_over_jobs_that_are_set_aside(self, world):
        await world.setting("beta", weight=1)
        await world.store.put_pause(pause("workflow", "demo"))
        await world.submit(*(submission() for _ in range(3)))
        await world.submit(submission(REPORT, workflow="report", client="beta"))
        assert await world.admit() == 1

    async def test_a_job_that_was_set_aside_and_then_paused_stays_paused(self, world):
        await world.store.put_pause(pause("workflow", "demo"))
        ids = await world.submit(submission(), submission(), submission())
        await world.admit()
        await world.store.change(ids[0], {"queue_state": JobState.PAUSED}, [], NOON)
        await world.store.change(ids[1], {"queue_state": JobState.BROKEN}, [], NOON)
        await world.store.remove_pause("workflow", "demo")
        while (await world.store.end_pauses(NOON))[0]:
            pass
        states = [(await world.states(one))[0] for one in ids]
        assert states == ["paused", "broken", "queued"]

    async def test_a_job_whose_time_was_changed_waits_for_it_after_the_pause(self, world):
        await world.store.put_pause(pause("workflow", "demo", until=at(60)))
        [job_id] = await world.submit(submission())
        await world.admit()
        await world.store.change(job_id, {"run_at": at(500)}, [], NOON)
        await world.store.end_pauses(at(60))
        assert (await world.states(job_id))[0] == "scheduled"

    async def test_all_instances_of_a_host_are_paused_by_its_name(self, world):
        await world.start(PAIR)
        await world.store.put_pause(pause("instance", "one-2"))
        claims = []
        for name in ("one-2", "one-2-77", "one-27", "two-2-9"):
            joined = await world.store.join(name, NOON)
            claims.append(len(await world.claim(1, instance=joined)))
        assert claims == [0, 0, 1, 1]

    async def test_who_asks_in_a_pause_is_not_sent_back_at_once(self, world):
        """Or a claimer would ask again and again."""
        await world.start()
        await world.store.put_pause(pause("queue", "work"))
        given = (world.instance, "work", [ACTION], 1, uuid.uuid4(), NOON)
        assert (await world.store.claim(*given)).next_due is None

    async def test_a_pause_is_told(self, world):
        started = await world.start()
        for kind, name in KINDS:
            await world.store.put_pause(pause(kind, name, until=at(60)))
        ids = await world.submit(submission(), submission(REPORT, workflow="report"))
        until = "2031-02-01T12:01:00.000Z"
        told = f"The client acme is paused until {until}: no job of it starts."
        assert (await self.reasons(world, ids[1]))["pause"] == told
        await world.store.remove_pause("client", "acme")
        assert "workflow demo is paused" in (await self.reasons(world, ids[0]))["pause"]
        await world.admit()
        told = (
            f"The workflow demo is paused until {until}: the job was set aside, and is queued again"
        )
        assert (await self.reasons(world, ids[0]))["pause"] == f"{told} then."
        assert "is paused" in (await self.reasons(world, started))["pause"]
        over = await self.reasons(world, ids[0], at(60))
        assert list(over) == ["next"]
