"""GET /jobs/<id>/explain."""

from __future__ import annotations

from taskengine.testing.contract.world import failed

LATER = "2030-02-01T08:30:00.000Z"


async def explained(api, number, client="demo-client"):
    answer = await api.get(f"/jobs/{number}/explain", client)
    return answer.status_code, await answer.get_json()


async def test_a_queued_job_tells_slots_and_rank(api, body):
    await api.accepted(body())
    number = await api.accepted(body())
    await api.store.put_setting("", "max_jobs", "0")
    levels = {"running": 0, "low": 0, "high": 0, "reserved": 0}
    assert await explained(api, number) == (
        200,
        {
            "id": number,
            "queue_state": "queued",
            "reasons": [
                {
                    "reason": "slots",
                    "message": "max_jobs of the system is 0: no job starts.",
                    "level": "system",
                    "max_jobs": 0,
                    **levels,
                },
                {"reason": "rank", "message": "1 queued job goes before it.", "rank": 2},
            ],
            "rank": 2,
            "slots": {
                "system": {"max_jobs": 0, **levels},
                "client": {"max_jobs": None, **levels},
            },
            "expected_start": {
                "at": None,
                "ahead": None,
                "message": "Nobody can tell when it starts: max_jobs of the system is 0.",
                "forecasts": {"judged": 0, "right": 0, "share": None},
            },
        },
    )


async def test_a_job_with_a_time_and_a_gate(api, body):
    job = {"run_at": LATER, "semaphore_url": "http://gate.test/open"}
    status, content = await explained(api, await api.accepted(body(job=job)))
    assert (status, content["queue_state"], content["rank"]) == (200, "scheduled", None)
    time, gate = content["reasons"]
    assert (time["reason"], time["run_at"]) == ("run_at", LATER)
    assert (gate["reason"], gate["semaphore_url"]) == ("gate", "http://gate.test/open")
    assert (gate["answer"], gate["ask_at"]) == (None, None)


async def test_a_job_that_depends_on_another(api, body):
    first = await api.accepted(body())
    _, content = await explained(api, await api.accepted(body(job={"depends_on": [first]})))
    [reason] = content["reasons"]
    assert (reason["reason"], reason["jobs"]) == ("depends_on", [first])


async def test_a_job_in_the_queue_tells_its_expected_start(api, body, world, now):
    await api.store.put_setting("", "max_jobs", "1")
    await api.accepted(body())
    await world.admit(now)
    for attempt in await world.claim(now=now):
        await world.record(failed(attempt, when=now))
    await api.accepted(body())
    await world.admit(now)
    _, content = await explained(api, await api.accepted(body()))
    expected = content["expected_start"]
    assert (expected["at"] is not None, expected["ahead"]) == (True, 0)
    assert expected["message"].startswith("It is expected to start ")
    assert expected["message"].endswith("No such forecast was judged yet.")


async def test_a_job_that_runs_has_no_start_before_it(api, body, world, now):
    number = await api.accepted(body())
    await world.admit(now)
    assert (await explained(api, number))[1]["expected_start"] is None


async def test_a_refused_job_is_over(api, body):
    number, _ = await api.refused(body(job={"priority": 99}))
    _, content = await explained(api, number)
    assert [one["reason"] for one in content["reasons"]] == ["over"]


async def test_a_failed_job_says_what_failed_and_what_can_be_done(api, body, world, now):
    number = await api.accepted(body())
    await world.admit(now)
    [attempt] = await world.claim(now=now)
    await world.record(failed(attempt, when=now))
    _, content = await explained(api, number)
    [reason] = content["reasons"]
    assert reason["message"].startswith("It failed: 'get_filenames' failed: ")
    assert "definition=current" in reason["message"]


async def test_there_is_no_such_job(api):
    assert await explained(api, 404) == (404, {"error": "there is no job 404"})
    assert (await explained(api, "x"))[0] == 400


async def test_without_public_reads_it_is_for_the_client_and_for_admins(api, body):
    number = await api.accepted(body())
    assert (await api.request("GET", f"/jobs/{number}/explain")).status_code == 200
    private = api.services.configuration.model_copy(update={"public_reads": False})
    closed = api.with_(configuration=private)
    assert (await closed.request("GET", f"/jobs/{number}/explain")).status_code == 401
    assert (await explained(closed, number, "other"))[0] == 403
    assert (await explained(closed, number))[0] == 200
    assert (await explained(closed, number, "root"))[0] == 200
