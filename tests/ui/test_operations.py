"""Bulk operations from a page: counted, then done, aborted and taken back; and going on."""

import pytest

from taskengine.model import JobState
from taskengine.testing.contract.world import CHAIN, done, failed, submission
from tests.api.conftest import job_body
from tests.api.test_bulk import work


async def test_what_matches_is_counted_then_paused_then_taken_back(api, owner, world, now):
    first = await api.accepted(job_body(content_id="film-1"))
    second = await api.accepted(job_body(content_id="film-2"))
    other = await api.accepted(job_body(content_id="clip-3"))
    assert "All that match…" not in (await owner.get("jobs")).plain
    assert "jobs/bulk?search=film" in (await owner.get("jobs?search=film")).text
    answer = await owner.post("jobs/bulk?search=film", do="pause")
    assert answer.headers["Location"] == "../operations/1"
    assert "counting" in (await owner.get("operations/1")).plain
    await work(world, now)
    counted = await owner.get("operations/1")
    assert "2 jobs match." in counted.plain
    assert "Pause: 2 jobs" in counted.plain
    assert (await api.job(first)).job.state is JobState.QUEUED
    answer = await owner.post("operations/1", do="begin")
    assert answer.headers["Location"] == "../operations/2"
    await work(world, now)
    page = await owner.get("operations/2")
    assert "2 of 2 done" in page.plain
    assert 'value="undo"' in page.text
    states = [(await api.job(one)).job.state.label for one in (first, second, other)]
    assert states == ["paused", "paused", "queued"]
    await owner.post("operations/2", do="undo")
    assert "being taken back" in (await owner.get("operations")).plain
    listed = (await owner.get("operations")).plain
    assert ("Pause" in listed, "undoing" in listed) == (True, True)


async def test_an_operation_is_aborted(owner, api):
    await api.accepted(job_body())
    await owner.post("jobs/bulk?state=queued", do="break")
    await owner.post("operations/1", do="abort")
    assert "is aborted" in (await owner.get("operations/1")).plain
    assert (await owner.post("operations/1", do="abort")).status == 400
    assert (await owner.post("operations/1", do="explode")).status == 400


@pytest.mark.parametrize(
    ("query", "fields", "status", "told"),
    [
        ("", {"do": "pause"}, 400, "the filter is empty"),
        ("?search=film", {"do": "explode"}, 400, "action: expected one of"),
        ("?search=film", {"do": "priority", "priority": "high"}, 400, "priority: expected"),
        ("?client=other", {"do": "pause"}, 403, "this belongs to another client"),
    ],
)
async def test_a_bulk_operation_that_cannot_be_is_told(owner, query, fields, status, told):
    answer = await owner.post(f"jobs/bulk{query}", **fields)
    assert (answer.status, told in answer.plain) == (status, True)


async def test_an_operation_of_another_client_is_refused(owner, visitor, api):
    await api.accepted(job_body())
    await owner.post("jobs/bulk?state=queued", do="pause")
    other = await visitor("other")
    assert (await other.get("operations/1")).status == 403
    assert (await other.post("operations/1", do="abort")).status == 403
    assert "Pause" not in (await other.get("operations")).plain
    assert (await other.get("operations/77")).status == 404


async def test_who_only_looks_begins_no_operation(visitor, api):
    await api.accepted(job_body())
    watcher = await visitor("demo-client", read_only="on")
    page = await watcher.get("jobs?state=queued")
    assert "All that match…" not in page.plain
    token = (await watcher.get("jobs")).token
    assert (await watcher.post("jobs/bulk?state=queued", token=token, do="pause")).status == 403


async def test_a_job_goes_on_where_it_failed(api, admin, world, now):
    [job_id] = await api.store.submit([submission(CHAIN)], now)
    await world.admit(now)
    await api.store.offer(world.instance, "work", ["core.noop"])
    [attempt] = await world.claim(1, now)
    await api.store.record(world.instance, [done(attempt, now)], now)
    [attempt] = await world.claim(1, now)
    await api.store.record(world.instance, [failed(attempt, "no such file", now)], now)
    assert "Go on where it failed" in (await admin.get(f"jobs/{job_id}")).plain
    answer = await admin.post(f"jobs/{job_id}", do="retry")
    assert answer.headers["Location"] == f"../jobs/{job_id + 1}"
    page = await admin.get(f"jobs/{job_id + 1}")
    assert f"Job {job_id} goes on as job {job_id + 1}." in page.plain


async def test_a_bulk_operation_is_for_what_the_list_shows(owner, api):
    shown = "jobs/bulk?state=queued&amp;state=paused&amp;job_ids=1%2C2"
    await api.accepted(job_body())
    assert shown in (await owner.get("jobs?state=queued&state=paused&job_ids=1,2&items=9")).text
    for query in ("state=queued&limit=5", "state=queued&stat=failed"):
        answer = await owner.post(f"jobs/bulk?{query}", do="break")
        assert (answer.status, "no such query parameter" in answer.plain) == (400, True)
