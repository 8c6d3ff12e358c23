"""The delivery log and replay."""

from __future__ import annotations

import pytest

from taskengine.model import Began
from taskengine.testing.contract.world import World, at, delivery, done, refusal
from taskengine.times import format_time

URLS = ["http://one.test/hook", "http://two.test/hook"]


@pytest.fixture
async def world(api, now):
    world = World(api.store)
    world.instance = await api.store.join("one", now)
    return world


@pytest.fixture
async def number(api, body, world, now):
    """A job whose first URL is dead, whose second one has heard the first event."""
    number = await api.accepted(body(rest_endpoints=URLS))
    await world.admit(now)
    [attempt] = await world.claim(1, now)
    await world.record(Began(attempt.fence, now))
    one, two = await world.lanes(at(0))
    await api.store.deliver(world.instance, [refusal(one, now, None), delivery(two, 0, now)])
    await world.record(done(attempt, now))
    return number


@pytest.fixture
def log(api, number):
    async def log(client="demo-client", number=number):
        answer = await api.get(f"/jobs/{number}/callbacks", client)
        return answer.status_code, await answer.get_json()

    return log


@pytest.fixture
def replay(api):
    async def replay(number, client="demo-client"):
        answer = await api.post(f"/callbacks/{number}/replay", "", client)
        return answer.status_code, await answer.get_json()

    return replay


async def test_the_delivery_log_tells_what_became_of_each_callback(log, number, now):
    status, rows = await log()
    assert status == 200
    told = [(row["url"], row["number"], row["event"], row["state"]) for row in rows]
    assert told == [
        (URLS[0], 1, "start", "dead"),
        (URLS[0], 2, "complete", "dead"),
        (URLS[1], 1, "start", "delivered"),
        (URLS[1], 2, "complete", "waiting"),
    ]
    assert rows[0] == {
        "id": rows[0]["id"],
        "webhook_id": rows[0]["webhook_id"],
        "url": URLS[0],
        "number": 1,
        "event": "start",
        "task_id": rows[0]["task_id"],
        "task_name": "get_filenames",
        "state": "dead",
        "attempts": 1,
        "status": 500,
        "error": "no",
        "created_at": format_time(now),
        "delivered_at": None,
        "next_try_at": None,
    }
    assert rows[2]["delivered_at"] == rows[3]["next_try_at"] == format_time(now)


async def test_the_log_is_for_its_client_and_for_admins(api, log, number):
    assert (await log("root"))[0] == 200
    assert await log("other") == (403, {"error": "this belongs to another client"})
    assert (await log("nobody"))[0] == 401
    assert (await api.request("GET", f"/jobs/{number}/callbacks")).status_code == 401


async def test_there_is_no_such_job(log):
    assert await log(number=404) == (404, {"error": "there is no job 404"})
    assert (await log(number="x"))[0] == 400


async def test_replay_reopens_the_lane_and_wakes_the_couriers(api, world, log, number, api_key):
    woken = []
    api = api.with_(changed=lambda: woken.append(1))
    _, rows = await log()
    answer = await api.post(f"/callbacks/{rows[1]['id']}/replay", "")
    assert answer.status_code == 200
    assert await answer.get_json() == {"id": str(rows[1]["id"]), "result": "accepted"}
    assert woken == [1]
    assert [row["state"] for row in (await log())[1]] == [
        "waiting",
        "waiting",
        "delivered",
        "waiting",
    ]


async def test_replay_is_for_the_client_of_the_job_and_for_admins(api, log, replay):
    [row, *_] = (await log())[1]
    assert await replay(row["id"], "other") == (403, {"error": "this belongs to another client"})
    assert (await api.request("POST", f"/callbacks/{row['id']}/replay")).status_code == 401
    assert [row["state"] for row in (await log())[1]][:2] == ["dead", "dead"]
    assert (await replay(row["id"], "root"))[0] == 200


async def test_there_is_no_such_callback(replay):
    assert await replay(404) == (404, {"error": "there is no callback 404"})
    assert await replay("9" * 30) == (404, {"error": f"there is no callback {'9' * 30}"})
    status, content = await replay("x")
    assert (status, content) == (400, {"error": "callback id: expected a whole number, got 'x'"})
