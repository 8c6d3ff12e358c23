"""`depends_on` of submissions: chains of jobs."""

from __future__ import annotations

import json

import pytest

from taskengine.model import JobState
from tests.api.changing import show, state


async def test_each_job_of_a_chain_waits_for_those_before_it(api, body, world, now):
    first = await api.accepted(body())
    second = await api.accepted(body(job={"depends_on": [first]}))
    third = await api.accepted(body(job={"depends_on": [str(second), first, f" {second} "]}))
    assert (await show(api, third))["depends_on"] == [first, second]
    for number in (first, second, third):
        assert [await state(api, one) for one in range(number + 1, 4)] == ["pending"] * (3 - number)
        assert await world.admit(now) == 1
        await world.perform(number)
        assert await state(api, number) == "completed"


async def test_a_chain_breaks_with_its_first_job(api, body, updated, world, now):
    first = await api.accepted(body())
    second = await api.accepted(body(job={"depends_on": [first]}))
    urls = ["https://a.example/", "https://b.example/"]
    third = await api.accepted(
        body(job={"depends_on": [second]}, rest_endpoints=urls, custom_data=[1])
    )
    await updated(first, {"queue_state": "broken"}, "queue_state")
    await world.cascade(now)
    shown = await show(api, third)
    assert (shown["queue_state"], shown["failed"]) == ("broken", True)
    lanes = await world.lanes(now)
    assert [lane.url for lane in lanes] == urls
    for lane in lanes:
        assert [json.loads(one.body) for one in lane.callbacks] == [
            {
                "job_id": str(third),
                "status": "failed",
                "workflow": "drmswitch",
                "content_id": "c-77",
                "custom_data": [1],
                "message": f"it depends on job {second}, which did not complete",
                "time": None,
                "client": "demo-client",
            }
        ]


async def test_a_job_that_depends_on_a_broken_one_is_broken_at_once(api, body, updated):
    parent = await api.accepted(body())
    await updated(parent, {"queue_state": "broken"}, "queue_state")
    child = await api.accepted(body(job={"depends_on": [parent]}))
    assert await state(api, child) == "broken"


@pytest.mark.parametrize("given", [1, "1", " 1 ", "01", 1.0, "1.0"])
async def test_ids_of_parents_are_read_leniently(api, body, given):
    await api.accepted(body())
    number = await api.accepted(body(job={"depends_on": [given]}))
    assert (await show(api, number))["depends_on"] == [1]


@pytest.mark.parametrize("nothing", [None, "", []])
async def test_a_job_may_depend_on_nothing(api, body, nothing):
    number = await api.accepted(body(job={"depends_on": nothing}))
    assert await state(api, number) == "queued"


NO_IDS = (True, None, "x", 0, -1, 1.5, "1.5", 1e300, [1], 10**18, 77)


@pytest.mark.parametrize("given", [1, "1", {}, [1] * 101, *([one] for one in NO_IDS)])
async def test_what_no_job_can_depend_on_is_refused_with_a_record(api, body, given):
    await api.accepted(body())
    number, error = await api.refused(body(job={"depends_on": given}))
    assert error.startswith("job.depends_on: ")
    details = await api.job(number)
    assert (details.job.state, list(details.depends_on)) == (JobState.BROKEN, [])
    assert (await api.lines(number))[-1].message == error


async def test_nobody_depends_on_jobs_of_other_clients(api, body):
    foreign = await api.accepted({**body(), "client": "other"}, client="other")
    _, error = await api.refused(body(job={"depends_on": [foreign]}, token="not-to-be-seen"))
    assert error == f"job.depends_on: the client has no job {foreign}"
    of_root = {**body(job={"depends_on": [foreign]}), "client": "other"}
    await api.accepted(of_root, client="root")
