"""GET and POST /schedules, DELETE /schedules/<name>, PUT /scheduler."""

import json

import pytest

from taskengine.schedules import BUILT_IN

SAMPLE = {  # the contract's
    "class": "QueueJobs",
    "every": [60, {"first_in": 5}],
    "queue": "scheduler",
    "description": "Enqueues scheduled jobs that have a run_at time in the past.",
}
OWN = sorted(one.name for one in BUILT_IN)


async def send(api, method, path, body=None, client="root"):
    headers = {"client": client, "api-key": api.key, "content-type": "application/json"}
    data = {} if body is None else {"data": json.dumps(body)}
    answer = await api.request(method, path, headers=headers, **data)
    return answer.status_code, await answer.get_json()


@pytest.fixture
def told():
    return []


@pytest.fixture
def api(api, api_key, told):
    """Notes when cron is woken."""
    noted = api.with_(rescheduled=lambda: told.append(True))
    noted.key = api_key
    return noted


@pytest.fixture
def nightly(body):
    """The body of a schedule that is taken."""

    def make(**changes):
        return {"name": "nightly", "cron": "30 4 * * *", **body(), **changes}

    return make


async def shown(api, client="root"):
    status, content = await send(api, "GET", "/schedules", client=client)
    assert status == 200
    assert list(content) == ["result", "schedules"]
    assert content["result"] == "ok"
    return content["schedules"]


async def test_schedules_are_shown_as_in_the_contract(api):
    schedules = await shown(api)
    assert schedules["queue_scheduled_jobs"] == SAMPLE
    assert list(schedules["queue_scheduled_jobs"]) == list(SAMPLE)
    assert sorted(schedules) == OWN


async def test_the_interval_is_the_setting(api):
    await api.store.put_setting("", "schedule_interval", "90")
    assert (await shown(api))["queue_scheduled_jobs"]["every"] == [90, {"first_in": 5}]


async def test_switching_answers_with_the_names_of_the_active_schedules(api, told):
    change = {"schedule": "queue_scheduled_jobs", "active": False}
    rest = [name for name in OWN if name != "queue_scheduled_jobs"]
    assert await send(api, "PUT", "/scheduler", change) == (
        200,
        {"result": "ok", "schedules": rest},
    )
    assert "queue_scheduled_jobs" not in await shown(api)
    change["active"] = "true"
    assert await send(api, "PUT", "/scheduler", change) == (200, {"result": "ok", "schedules": OWN})
    assert (await shown(api))["queue_scheduled_jobs"] == SAMPLE
    assert told == [True, True]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({}, "schedule"),
        ({"schedule": 7, "active": True}, "schedule"),
        ({"schedule": "unknown", "active": True}, "schedule"),
        ({"schedule": "queue_scheduled_jobs"}, "active"),
        ({"schedule": "queue_scheduled_jobs", "active": "maybe"}, "active"),
        ({"schedule": "queue_scheduled_jobs", "active": []}, "active"),
        ({"schedule": "queue_scheduled_jobs", "active": None}, "active"),
        ({"schedule": "rescue_lost_tasks", "active": False}, "schedule"),
    ],
)
async def test_what_cannot_be_switched_is_refused(api, told, change, field):
    status, content = await send(api, "PUT", "/scheduler", change)
    assert (status, list(content)) == (400, ["error"])
    assert content["error"].startswith(f"{field}: ")
    assert told == []


async def test_the_engines_own_are_switched_by_admins_alone(api):
    change = {"schedule": "queue_scheduled_jobs", "active": False}
    status, _ = await send(api, "PUT", "/scheduler", change, client="demo-client")
    assert status == 403
    assert sorted(await shown(api, "demo-client")) == OWN


async def test_a_clients_schedule_is_checked_kept_and_shown(api, told, nightly, now):
    status, content = await send(api, "POST", "/schedules", nightly(), client="demo-client")
    entry = {
        "class": "SubmitJob",
        "cron": "30 4 * * *",
        "queue": "scheduler",
        "description": "Submits a job.",
    }
    assert (status, content) == (200, {"result": "ok", "schedules": {"nightly": entry}})
    assert told == [True]
    own = await shown(api, "demo-client")
    assert own["nightly"] == entry
    assert list(own["nightly"]) == list(entry)
    assert "nightly" in await shown(api)
    assert "nightly" not in await shown(api, "other")
    [kept] = [one for one in await api.store.schedules() if one.client]
    assert (kept.client, kept.created_at, kept.active) == ("demo-client", now, True)
    assert kept.next_at == now.replace(hour=4, minute=30, second=0, microsecond=0)
    body = {"job": nightly()["job"], "parameters": nightly()["parameters"]}
    assert await api.store.schedule_body("nightly", "demo-client") == body


@pytest.mark.parametrize(
    ("given", "every"),
    [
        (600, [600, {"first_in": 600}]),
        ("600", [600, {"first_in": 600}]),
        ([600, {"first_in": 5}], [600, {"first_in": 5}]),
    ],
)
async def test_seconds_come_as_a_number_a_text_or_as_they_are_shown(api, nightly, given, every):
    made = nightly(every=given, active="false", description="Films")
    del made["cron"]
    _, content = await send(api, "POST", "/schedules", made, client="demo-client")
    assert content["schedules"]["nightly"]["every"] == every
    assert content["schedules"]["nightly"]["description"] == "Films"
    assert "nightly" not in await shown(api, "demo-client")  # it is off


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": None}, "name"),
        ({"name": "../x"}, "name"),
        ({"name": "queue_scheduled_jobs"}, "name"),
        ({"cron": None}, "cron"),
        ({"every": 60}, "cron"),
        ({"cron": 7}, "cron"),
        ({"cron": "60 * * * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": None, "every": 0}, "every"),
        ({"cron": None, "every": True}, "every"),
        ({"cron": None, "every": "1h"}, "every"),
        ({"cron": None, "every": [60, {"first_in": -1}]}, "every"),
        ({"cron": None, "every": [60, {}, 1]}, "every"),
        ({"description": 7}, "description"),
        ({"active": "maybe"}, "active"),
        ({"job": {"workflow": "unknown"}}, "job.workflow"),
        ({"job": None}, "job.workflow"),
        ({"job": {"workflow": "drmswitch", "priority": 11}}, "job.priority"),
        ({"job": {"workflow": "drmswitch", "run_at": "2031-01-01"}}, "job.run_at"),
        ({"job": {"workflow": "drmswitch", "depends_on": [1]}}, "job.depends_on"),
        ({"parameters": {"content_id": "c"}}, "parameters.folder"),
        ({"parameters": []}, "parameters"),
    ],
)
async def test_what_cannot_recur_is_refused_naming_the_field(api, told, nightly, changes, field):
    made = {key: value for key, value in nightly(**changes).items() if value is not None}
    status, content = await send(api, "POST", "/schedules", made, client="demo-client")
    assert (status, list(content)) == (400, ["error"])
    assert content["error"].startswith(f"{field}: ")
    assert told == []
    assert len(await api.store.schedules()) == len(OWN)


async def test_a_name_is_the_clients_own(api, nightly):
    """What others call theirs cannot be seen, and bars nobody from a name."""
    await send(api, "POST", "/schedules", nightly(), client="demo-client")
    switch = {"schedule": "nightly", "active": False}
    unknown = await send(api, "PUT", "/scheduler", switch, client="other")
    assert unknown[0] == 400
    assert unknown[1]["error"].startswith("schedule: there is no schedule 'nightly'; there are ")
    assert (await send(api, "DELETE", "/schedules/nightly", client="other"))[0] == 404
    assert "nightly" in await shown(api)
    again = {**nightly(cron="0 5 * * *"), "client": "other"}
    assert (await send(api, "POST", "/schedules", again, client="other"))[0] == 200
    assert (await shown(api, "demo-client"))["nightly"]["cron"] == "30 4 * * *"
    assert (await shown(api, "other"))["nightly"]["cron"] == "0 5 * * *"
    assert {"demo-client/nightly", "other/nightly"} < (await shown(api)).keys()


async def test_an_admin_names_the_client_of_a_name_that_several_have(api, nightly):
    for client in ("demo-client", "other"):
        made = {**nightly(), "client": client}
        assert (await send(api, "POST", "/schedules", made, client=client))[0] == 200
    status, content = await send(api, "DELETE", "/schedules/nightly")
    assert status == 400
    assert content["error"] == "schedule: several clients have nightly: expected <client>/nightly"
    switch = {"schedule": "demo-client/nightly", "active": False}
    status, content = await send(api, "PUT", "/scheduler", switch)
    assert (status, content["schedules"]) == (200, [*OWN, "other/nightly"])
    assert (await send(api, "DELETE", "/schedules/other/nightly"))[0] == 200
    [left] = [one for one in await api.store.schedules() if one.client]
    assert (left.client, left.active) == ("demo-client", False)


async def test_clients_and_admins_switch_and_remove(api, told, nightly):
    admins = {**nightly(), "client": "demo-client"}
    assert (await send(api, "POST", "/schedules", admins))[0] == 200
    switch = {"schedule": "nightly", "active": False}
    assert await send(api, "PUT", "/scheduler", switch, client="demo-client") == (
        200,
        {"result": "ok", "schedules": OWN},
    )
    assert await send(api, "DELETE", "/schedules/nightly", client="demo-client") == (
        200,
        {"result": "ok", "schedules": OWN},
    )
    assert (await send(api, "DELETE", "/schedules/nightly"))[0] == 404
    await send(api, "POST", "/schedules", admins)
    assert (await send(api, "DELETE", "/schedules/nightly"))[0] == 200
    assert (await send(api, "DELETE", "/schedules/clear_old_jobs"))[0] == 400
    assert len(told) == 5


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/schedules"), ("PUT", "/scheduler"), ("DELETE", "/schedules/nightly")],
)
async def test_nobody_changes_schedules_without_a_key(api, method, path):
    answer = await api.request(method, path, headers={"client": "root"}, data="{}")
    assert answer.status_code == 401
