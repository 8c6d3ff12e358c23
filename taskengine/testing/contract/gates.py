"""Promises of gates (A15)."""

from datetime import timedelta

from taskengine.store import GateAnswer
from taskengine.testing.contract.updates import BROKEN, PAUSED, QUEUED, change
from taskengine.testing.contract.world import at, submission
from taskengine.testing.times import NOON

GATE, OTHER = "http://gate.test", "http://other.test"
LEASE = timedelta(seconds=60)


async def gated(world, **fields):
    [job_id] = await world.submit(submission(**{"semaphore_url": GATE, **fields}))
    return job_id


async def claim(world, now=NOON, limit=64, busy=()):
    return await world.store.claim_gates(limit, busy, now, LEASE)


async def tell(world, gate, answer, when=NOON, due_at=None):
    return await world.store.answer_gates([GateAnswer(gate, answer, when, due_at)])


class Gates:
    async def test_a_gate_is_claimed_once_for_the_length_of_its_lease(self, world):
        job_id = await gated(world)
        [gate], next_due = await claim(world)
        assert (gate.job_id, gate.url, gate.failures, gate.answer) == (job_id, GATE, 0, None)
        assert next_due == at(60)
        assert await claim(world, at(59)) == ([], at(60))
        [again], _ = await claim(world, at(60))
        assert again == gate

    async def test_the_longest_due_are_claimed_first(self, world):
        urls = [f"http://{host}.test" for host in "abc"]
        due = zip((3, 1, 2), urls, strict=True)
        ids = [await gated(world, run_at=at(when), semaphore_url=url) for when, url in due]
        gates, next_due = await claim(world, at(5), limit=2)
        assert sorted(gate.job_id for gate in gates) == [ids[1], ids[2]]
        assert next_due == at(65)
        gates, _ = await claim(world, at(5), limit=2)
        assert [gate.job_id for gate in gates] == [ids[0]]

    async def test_a_host_is_asked_a_few_gates_at_once_and_none_while_it_is_busy(self, world):
        slow = [await gated(world, semaphore_url=f"http://u:p@SLOW.test/{n}") for n in range(3)]
        other = await gated(world, semaphore_url=OTHER)
        gates, _ = await claim(world)
        assert [gate.job_id for gate in gates] == [*slow[:2], other]
        assert await claim(world, busy=["slow.test"]) == ([], at(60))
        [last], _ = await claim(world)
        assert last.job_id == slow[2]

    async def test_no_gate_is_asked_before_its_time(self, world):
        await gated(world, run_at=at(30))
        assert await claim(world, at(29)) == ([], at(30))
        assert len((await claim(world, at(30)))[0]) == 1

    async def test_an_open_gate_queues_its_job(self, world):
        job_id = await gated(world)
        [gate], _ = await claim(world)
        assert await tell(world, gate, "HTTP 204", at(2)) == 1
        job = (await world.job(job_id)).job
        assert (job.state.label, job.gate_open, job.updated_at) == ("queued", True, at(2))
        assert await world.lines(job_id) == [("scheduler", 0, "The gate is open: HTTP 204")]
        assert await claim(world, at(999)) == ([], None)
        assert await tell(world, gate, "HTTP 204", at(3)) == 0

    async def test_a_closed_gate_is_asked_again_and_only_changes_are_logged(self, world):
        job_id = await gated(world)
        failures = []
        for now, answer in enumerate(["HTTP 503", "HTTP 503", "ConnectError", "HTTP 200"]):
            [gate], _ = await claim(world, at(now))
            failures.append(gate.failures)
            assert gate.answer == [None, "HTTP 503", "HTTP 503", "ConnectError"][now]
            due_at = None if answer == "HTTP 200" else at(now + 1)
            assert await tell(world, gate, answer, at(now), due_at) == (due_at is None)
        assert failures == [0, 1, 2, 3]
        assert [line[2] for line in await world.lines(job_id)] == [
            "The gate is closed: HTTP 503",
            "The gate is closed: ConnectError",
            "The gate is open: HTTP 200",
        ]

    async def test_an_answer_counts_only_while_the_job_is_as_it_was_asked_for(self, world):
        for changes in ({"semaphore_url": OTHER}, {"run_at": at(30)}, PAUSED, BROKEN, QUEUED):
            job_id = await gated(world)
            [gate], _ = await claim(world)
            await change(world, job_id, changes)
            before = await world.job(job_id), await world.lines(job_id)
            assert await tell(world, gate, "HTTP 200", at(1)) == 0
            assert await tell(world, gate, "HTTP 503", at(1), at(2)) == 0
            assert (await world.job(job_id), await world.lines(job_id)) == before
            if changes is not BROKEN:
                await change(world, job_id, BROKEN)

    async def test_another_gate_is_asked_at_once_and_from_the_beginning(self, world):
        job_id = await gated(world)
        [gate], _ = await claim(world)
        await tell(world, gate, "HTTP 503", NOON, at(600))
        await change(world, job_id, {"semaphore_url": OTHER}, at(5))
        [gate], _ = await claim(world, at(5))
        assert (gate.url, gate.failures, gate.answer) == (OTHER, 0, None)

    async def test_other_updates_leave_its_time_alone(self, world):
        job_id = await gated(world)
        await claim(world)
        await change(world, job_id, {"priority": 1})
        assert await claim(world, at(59)) == ([], at(60))

    async def test_a_job_whose_gate_is_taken_away_is_queued(self, world):
        job_id = await gated(world)
        await change(world, job_id, {"semaphore_url": None})
        assert await world.states(job_id) == ["queued"]
        assert await claim(world) == ([], None)

    async def test_a_gate_that_was_open_is_not_asked_again(self, world):
        job_id = await gated(world)
        [gate], _ = await claim(world)
        await tell(world, gate, "HTTP 200")
        await change(world, job_id, {"run_at": at(30)})
        assert await claim(world, at(99)) == ([], None)
        assert await world.store.queue_due(at(30)) == (1, None)

    async def test_a_new_gate_takes_a_job_out_of_the_queue(self, world):
        [job_id] = await world.submit(submission())
        await change(world, job_id, {"semaphore_url": GATE})
        assert await world.admit() == 0
        assert len((await claim(world))[0]) == 1

    async def test_answers_of_a_batch_are_independent(self, world):
        ids = [await gated(world, semaphore_url=f"http://{host}.test") for host in "abc"]
        gates, _ = await claim(world)
        await change(world, ids[1], BROKEN)
        assert (
            await world.store.answer_gates([GateAnswer(one, "ok", NOON, None) for one in gates])
            == 2
        )
