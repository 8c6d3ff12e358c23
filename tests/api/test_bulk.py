"""POST /jobs/bulk/<action> and /operations."""

from __future__ import annotations

import pytest

from taskengine.actors.operator import Operator
from taskengine.actors.wiring import no_workflow
from taskengine.testing.contract.world import submission
from tests.api.changing import send, state


@pytest.fixture
def ask(api, api_key):
    async def asked(method, path, body=b"", **who):
        return await send(api, method, path, body, key=who.pop("key", api_key), **who)

    return asked


async def work(world, now):
    """All steps of the operation that has waited longest."""
    operator = Operator(world.store, no_workflow, lambda: now, lambda: None)
    one = await operator._claim()
    while one.ended_at is None:
        one = await operator.advance(await operator.next_step(one))


async def test_all_that_matches_is_paused_and_the_pause_undone(api, body, ask, world, now):
    numbers = [await api.accepted(body(job={"priority": n})) for n in (1, 2)]
    status, begun = await ask("POST", "/jobs/bulk/pause?state=queued")
    assert status == 200
    assert (begun["action"], begun["state"], begun["client"]) == (
        "pause",
        "counting",
        "demo-client",
    )
    await work(world, now)
    assert [await state(api, number) for number in numbers] == ["paused", "paused"]
    path = f"/operations/{begun['id']}"
    _, one = await ask("GET", path)
    counts = ("state", "matched", "done", "skipped", "errors")
    assert [one[name] for name in counts] == ["done", 2, 2, 0, []]
    assert one["undo_until"] > one["ended_at"]
    assert await ask("GET", "/operations") == (200, [one])
    status, told = await ask("POST", f"{path}/abort")
    assert (status, told) == (400, {"error": "the operation is done: there is nothing to abort"})
    assert (await ask("POST", f"{path}/undo"))[1]["state"] == "undoing"


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("pause", {}, "the filter is empty and would match every job: expected at least one of "),
        ("pause?items=3", {}, "items: there is no such query parameter"),
        (
            "stop?failed=1",
            {},
            "action: expected one of pause, resume, break, priority, rerun, retry",
        ),
        ("pause?state=completed", {}, "state: pause is for jobs that are queued, started, "),
        ("priority?state=queued", {}, "priority: expected a whole number from 1 to 10"),
        ("priority?state=queued", {"priority": 11}, "priority: expected a whole number from 1 to"),
        ("pause?state=queued", {"priority": 1}, "priority: pause takes dry_run"),
        ("retry?failed=1", {"definition": "new"}, "definition: expected original or current"),
        (
            "retry?failed=1",
            {"definition": []},
            "definition: expected original or current, got an em",
        ),
        ("retry?failed=1", {"definition": 0}, "definition: expected original or current, got 0"),
        (
            "priority?state=queued",
            {"priority": ""},
            "priority: expected a whole number from 1 to 10",
        ),
        ("pause?state=queued&job_ids=", {}, "job_ids: expected a value: an empty filter would"),
        ("pause?state=queued&job_ids=%20,", {}, "job_ids: expected a value"),
        ("pause?state=&failed=1", {}, "state: expected a value"),
        ("pause?client=demo-client&from=", {}, "from: expected a value"),
        ("rerun?state=completed&failed=0", {}, "failed: expected 1: no filter leaves out"),
        ("retry?failed=1", {"dry_run": "yes"}, 'dry_run: expected true or false, got "yes"'),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_name(ask, path, body, told):
    status, content = await ask("POST", f"/jobs/bulk/{path}", body)
    assert status == 400
    assert content["error"].startswith(told)


async def test_a_client_reaches_its_own_jobs_alone(api, body, ask, world, now):
    mine = await api.accepted(body())
    [theirs] = await world.submit(submission(client="other"), now=now)
    await ask("POST", "/jobs/bulk/break?state=queued")
    await work(world, now)
    assert [await state(api, number) for number in (mine, theirs)] == ["broken", "queued"]
    assert (await ask("POST", "/jobs/bulk/break?client=other"))[0] == 403
    assert (await ask("GET", "/operations/1", client="other"))[0] in (401, 403)


async def test_requests_have_ids_in_and_out(api):
    given = await api.get("/livez", headers={"X-Request-Id": "from-the-proxy/1"})
    made = await api.get("/livez", headers={"X-Request-Id": "no\tgood"})
    assert given.headers["X-Request-Id"] == "from-the-proxy/1"
    assert len(made.headers["X-Request-Id"]) == 32
