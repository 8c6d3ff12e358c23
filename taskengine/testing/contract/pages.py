"""Promises of pages: each job that stays still comes once, in order, whatever else changes."""

from dataclasses import replace
from itertools import cycle

import pytest

from taskengine.model import Job, JobState
from taskengine.store import JobFilter
from taskengine.testing.contract.updates import PAUSED, change
from taskengine.testing.contract.world import at, done, failed, submission

ORDERS = (
    "id",
    "client",
    "workflow",
    "priority",
    "position",
    "created_at",
    "updated_at",
    "state",
    "failed",
    "run_at",
)
FILTERS = {
    "all": {},
    "each state": {"states": list(JobState)},
    "some states": {"states": [JobState.BROKEN, JobState.QUEUED, JobState.STARTED]},
    "failed": {"failed": True},
    "not failed": {"failed": False},
    "client": {"client": "beta"},
    "client and state": {"client": "beta", "states": [JobState.QUEUED, JobState.STARTED]},
    "times": {"since": at(2), "until": at(9)},
    "content": {"search": "film"},
    "ids": {"job_ids": [2, 3, 5, 8, 13, 21]},
    "much": {"client": "beta", "since": at(1), "search": "FILM-1"},
    "nothing": {"client": "nobody"},
}


async def crowd(world) -> list[int]:
    """Jobs of every kind, with many ties; ids and times of creation differ in their order."""
    ids: list[int] = []
    for n in range(26):
        one = submission(
            None if n % 9 == 8 else submission().definition,
            client=("acme", "beta")[n % 3 == 0],
            workflow=f"w{n % 4}",
            priority=1 + n % 3,
            position=n % 2,
            content_id=(f"Film-{n}", None, "other")[n % 3],
            run_at=at(500 + n % 5) if n % 4 == 1 else None,
            depends_on=ids[:1] if n % 6 == 5 else (),
        )
        ids += await world.submit(one, now=at((n * 7) % 12))
    await world.admit(at(20), limit=7)
    one, two, three, *_ = await world.claim(5, now=at(21))
    await world.record(done(one, at(22)), failed(two, when=at(22)), failed(three, when=at(23)))
    return ids


async def pages(world, wanted: JobFilter, between=None) -> list[Job]:
    """All jobs of a list, page by page."""
    found: list[Job] = []
    while True:
        page = await world.store.jobs(wanted)
        assert len(page) <= wanted.limit
        found += page
        if page.next is None:
            return found
        assert page.next != wanted.after
        wanted = replace(wanted, after=page.next)
        if between is not None:
            await between()


def ordered(jobs, wanted: JobFilter) -> bool:
    places = [(getattr(job, wanted.order_by), job.id) for job in jobs]
    return places == sorted(places, reverse=not wanted.ascending)


class Pages:
    @pytest.mark.parametrize("ascending", [False, True], ids=["desc", "asc"])
    @pytest.mark.parametrize("order", ORDERS)
    async def test_pages_hold_each_job_once_in_every_order(self, world, order, ascending):
        await crowd(world)
        steps = cycle([(1, 1), (3, 4), (2, 25), (4, 60), (5, 3)])
        for (name, fields), (limit, inspected) in zip(FILTERS.items(), steps, strict=False):
            wanted = JobFilter(limit=1000, order_by=order, ascending=ascending, **fields)
            whole = await world.store.jobs(wanted)
            assert whole.next is None
            assert ordered(whole, wanted)
            assert bool(whole) is (name != "nothing"), name
            small = replace(wanted, limit=limit, inspected=inspected)
            assert await pages(world, small) == whole, (name, limit, inspected)

    @pytest.mark.parametrize("ascending", [False, True], ids=["desc", "asc"])
    @pytest.mark.parametrize("order", ORDERS)
    async def test_a_job_that_stays_still_is_neither_skipped_nor_repeated(
        self, world, order, ascending
    ):
        ids = await crowd(world)
        restless = [one.id for one in await world.store.jobs(JobFilter(limit=99))][::3]
        wanted = JobFilter(limit=2, order_by=order, ascending=ascending, inspected=3)
        still = [
            job.id
            for job in await world.store.jobs(replace(wanted, limit=99, inspected=99))
            if job.id not in restless
        ]
        moving = iter(restless)

        async def disturb():
            await world.submit(submission(priority=2, position=1), now=at(30))
            for job_id in moving:
                details = await world.job(job_id)
                if details.job.state in (JobState.QUEUED, JobState.SCHEDULED, JobState.STARTED):
                    new = {"priority": 1 + job_id % 7, "position": 3, **PAUSED}
                    await change(world, job_id, new, at(31))
                    return

        found = [job.id for job in await pages(world, wanted, disturb)]
        assert [one for one in found if one in ids and one not in restless] == still

    async def test_a_page_that_ends_the_list_says_so(self, world):
        await world.submit(*(submission() for _ in range(4)))
        assert (await world.store.jobs(JobFilter(limit=4))).next is None
        first = await world.store.jobs(JobFilter(limit=3))
        assert first.next is not None
        assert len(await world.store.jobs(JobFilter(limit=3, after=first.next))) == 1

    async def test_a_list_goes_on_where_nothing_was_found(self, world):
        rare = [submission(client="beta") for _ in range(6)]
        ids = await world.submit(*rare, *(submission() for _ in range(9)), now=at(1))
        wanted = JobFilter(order_by="updated_at", client="beta", inspected=5)
        empty = await world.store.jobs(wanted)
        assert (list(empty), empty.next is None) == ([], False)
        assert [job.id for job in await pages(world, wanted)] == ids[5::-1]

    async def test_before_is_a_place_in_the_orders_of_id_and_creation(self, world):
        ids = [(await world.submit(submission(), now=at(60 - n)))[0] for n in range(5)]

        async def listed(**fields):
            return [job.id for job in await world.store.jobs(JobFilter(**fields))]

        assert await listed(before=ids[2]) == [ids[1], ids[0]]
        assert await listed(before=ids[2], ascending=True) == [ids[0], ids[1]]
        assert await listed(before=ids[2], order_by="created_at") == [ids[3], ids[4]]
        assert await listed(before=ids[2], order_by="created_at", ascending=True) == ids[:2:-1]
        assert await listed(before=10**17) == ids[::-1]
        assert await listed(before=10**17, order_by="created_at") == [ids[4]]
        assert await listed(before=ids[0]) == await listed(before=0, order_by="created_at") == []

    async def test_a_search_finds_the_job_of_that_id_alone(self, world):
        one, two, _ = await world.submit(
            submission(), submission(content_id="1-film"), submission(content_id="2")
        )

        async def found(search, **fields):
            page = await world.store.jobs(JobFilter(search=search, ascending=True, **fields))
            return [job.id for job in page]

        assert (one, two) == (1, 2)
        assert await found("1") == [1]
        assert await found("2") == [2]
        assert await found("2", states=[JobState.STARTED]) == []
        assert await found("1-") == [2]
        assert await found("1", job_ids=[2, 3]) == [2]
        assert await found("4") == []

    async def test_the_head_of_the_queue_is_in_the_order_of_admission(self, world):
        ids = await world.submit(
            submission(priority=3),
            submission(priority=7, top_of_queue=True, client="beta"),
            submission(priority=3, position=0),
            submission(priority=1, client="beta"),
            submission(priority=2, run_at=at(99)),
            submission(priority=9, top_of_queue=True),
        )

        async def first(limit=9, client=None):
            return [job.id for job in await world.store.first_in_queue(limit, client)]

        expected = [ids[n] for n in (1, 5, 3, 2, 0)]
        assert await first() == expected
        assert await first(2) == expected[:2]
        assert await first(client="beta") == [ids[1], ids[3]]
        assert await first(1, "acme") == [ids[5]]
        assert await first(client="nobody") == []
        await world.admit(limit=2)
        assert await first() == expected[2:]
