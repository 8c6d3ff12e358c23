"""Promises of submissions with an idempotency key."""

from dataclasses import replace

from taskengine.model import JobState, Severity
from taskengine.store import JobFilter
from taskengine.testing.contract.world import LATER, LINE, ONE, submission

KEYED = {"idempotency_key": "order-1", "body_digest": "aa"}
REFUSED = submission(None, lines=[LINE, (Severity.ERROR, "api", "no such workflow")])


class Idempotency:
    async def test_a_key_used_again_gives_the_job_that_has_it(self, world):
        [first] = await world.submit(submission(**KEYED, lines=[LINE], urls=[ONE]))
        [again] = await world.submit(submission(**KEYED, lines=[LINE], urls=[ONE]))
        assert again == first
        assert await world.lines(first) == [("api", 0, "received")]
        assert sum((await world.store.totals()).jobs.values()) == 1

    async def test_the_job_tells_of_which_body_it_was_made(self, world):
        other = submission(idempotency_key="order-1", body_digest="bb")
        first, without = await world.submit(submission(**KEYED), submission())
        assert await world.submit(other) == [first]
        assert (await world.job(first)).body_digest == "aa"
        assert (await world.job(without)).body_digest is None

    async def test_a_key_given_twice_in_a_batch_makes_one_job(self, world):
        other = submission(idempotency_key="order-1", body_digest="bb", content_id="other")
        ids = await world.submit(submission(), submission(**KEYED, content_id="one"), other)
        more = submission(idempotency_key="order-2", body_digest="cc")
        assert ids[1] == ids[2]
        assert (await world.submit(more, other, submission(**KEYED)))[1:] == ids[1:]
        assert (await world.job(ids[1])).job.content_id == "one"
        assert len(await world.store.jobs(JobFilter())) == 3

    async def test_each_client_has_keys_of_its_own(self, world):
        ids = await world.submit(submission(**KEYED), submission(**KEYED, client="beta"))
        assert len(set(ids)) == 2
        again = await world.submit(submission(**KEYED, client="beta"), submission(**KEYED))
        assert again == ids[::-1]

    async def test_submissions_without_a_key_are_each_a_job(self, world):
        ids = await world.submit(submission(), submission(), submission(**KEYED))
        assert len(set(ids)) == 3

    async def test_a_request_repeated_after_a_lost_answer_keeps_its_key(self, world):
        one = submission(**KEYED)
        [first] = await world.submit(one)
        assert await world.submit(one, submission(**KEYED)) == [first, first]

    async def test_a_refused_submission_keeps_its_key(self, world):
        [refused] = await world.submit(replace(REFUSED, **KEYED))
        assert await world.submit(submission(**KEYED)) == [refused]
        details = await world.job(refused)
        assert (details.job.state, details.body_digest) == (JobState.BROKEN, "aa")

    async def test_a_rerun_leaves_the_key_to_the_original(self, world):
        job_id = await world.start(**KEYED)
        await world.perform(job_id)
        new = await world.store.rerun(job_id, [], LATER)
        assert await world.submit(submission(**KEYED)) == [job_id]
        assert (await world.job(new)).body_digest is None

    async def test_a_key_goes_with_its_job(self, world):
        one = replace(REFUSED, **KEYED)
        [first] = await world.submit(one)
        assert (await world.store.clear_old_jobs(LATER, 10)).number == 1
        [second] = await world.submit(submission(**KEYED))
        assert second > first
