"""The contract, GET /schedules, PUT /scheduler and POST /settings, with A5, A10 and A13."""

from __future__ import annotations

import pytest

from taskengine.policy import Settings
from tests.api.conftest import job_body
from tests.api.documents import samples
from tests.api.shapes import assert_like

SCHEDULES, ERROR = samples("GET: /schedules")
SWITCH, SWITCHED, _ = samples("PUT: /scheduler")
BAD = [("max_jobs", value) for value in ("many", -1, 1.5, None, "")]
BAD += [("priority_threshold", 0), ("priority_threshold", 11), ("schedule_interval", 0), (None, 1)]
PAYLOAD, WRITTEN, _ = samples("POST: /settings")


async def test_the_schedules_are_the_sample(client):
    status, content = await client.send("GET", "/schedules")
    assert status == 200
    name = "queue_scheduled_jobs"
    assert content["schedules"][name] == SCHEDULES["schedules"][name]
    assert_like(SCHEDULES, {**content, "schedules": {name: content["schedules"][name]}})
    for other in content["schedules"].values():
        assert_like(SCHEDULES["schedules"][name], other)


async def test_the_interval_is_that_of_the_setting(admin):
    await admin.send("POST", "/settings", {"name": "schedule_interval", "setting": "30"})
    _, content = await admin.send("GET", "/schedules")
    assert content["schedules"]["queue_scheduled_jobs"]["every"] == [30, {"first_in": 5}]


@pytest.mark.parametrize("off", [False, "false", "False", 0, "0"])
async def test_a_schedule_is_switched_off_and_on(admin, off):
    names = ["clear_old_jobs", "queue_scheduled_jobs", "rescue_lost_tasks"]
    for active, expected in ((off, [names[0], names[2]]), (True, names)):
        status, content = await admin.send("PUT", "/scheduler", {**SWITCH, "active": active})
        assert status == 200
        assert_like(SWITCHED, content)
        assert sorted(content["schedules"]) == expected
        assert sorted((await admin.send("GET", "/schedules"))[1]["schedules"]) == expected


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_a_switch_needs_no_content_type(admin, kind):
    """Of its required headers the contract names two; curl makes a form of whatever it sends."""
    sent = await admin.send("PUT", "/scheduler", SWITCH, content_type=kind)
    assert_like(SWITCHED, sent[1])
    assert sent[0] == 200


async def test_a_switch_whose_header_and_body_disagree_is_a_403(client, admin):
    """A7: though the schedule were the client's own."""
    given = {"every": 60, "job": {"workflow": "drmswitch"}, "parameters": job_body()["parameters"]}
    assert (await client.send("POST", "/schedules", {"name": "mine", **given}))[0] == 200
    switch = {"client": "other", "schedule": "mine", "active": False}
    status, content = await client.send("PUT", "/scheduler", switch)
    assert (status, content["error"]) == (403, "client: the header and the body disagree")
    assert (await admin.send("PUT", "/scheduler", switch))[0] == 200


@pytest.mark.parametrize(
    "change", [{"schedule": "x"}, {"schedule": None}, {"active": None}, {"active": "maybe"}]
)
async def test_what_is_no_schedule_is_a_400_with_an_error(admin, change):
    status, content = await admin.send("PUT", "/scheduler", {**SWITCH, **change})
    assert status == 400
    assert_like(ERROR, content)


async def test_the_sample_setting(admin):
    status, content = await admin.send("POST", "/settings", PAYLOAD)
    assert status == 200
    assert content == {"result": "ok", "message": "max_jobs setting created/updated"}
    assert list(content) == list(WRITTEN)
    assert (await admin.open("/dashboard"))[1]["max_jobs"] == 4


@pytest.mark.parametrize("given", ["4", 4, 4.0, " 4 ", "4.0"])
async def test_a_value_may_be_a_text_or_a_number(admin, given):
    assert (await admin.send("POST", "/settings", {**PAYLOAD, "setting": given}))[0] == 200
    assert (await admin.open("/dashboard"))[1]["max_jobs"] == 4


async def test_known_names_are_read_in_any_case(admin):
    _, content = await admin.send("POST", "/settings", {"name": "Max_Jobs", "setting": 4})
    assert content["message"] == "max_jobs setting created/updated"
    assert (await admin.open("/dashboard"))[1]["max_jobs"] == 4
    switch = {"schedule": "Queue_Scheduled_Jobs", "active": False}
    status, content = await admin.send("PUT", "/scheduler", switch)
    assert (status, "queue_scheduled_jobs" in content["schedules"]) == (200, False)


async def test_a_new_setting_may_have_any_name(admin):
    status, content = await admin.send("POST", "/settings", {"name": "colour", "setting": "blue"})
    assert (status, content["message"]) == (200, "colour setting created/updated")
    assert (await admin.send("GET", "/settings"))[1]["settings"]["colour"] == "blue"


def test_settings_default_to_those_of_the_contract():
    known = Settings()
    assert (known.max_jobs, known.priority_slots, known.priority_threshold) == (2, 0, 5)
    assert (known.schedule_interval, known.retry_delay, known.retry_limit) == (60, 5, 3)


@pytest.mark.parametrize(("name", "value"), BAD)
async def test_a_bad_setting_is_a_400_with_an_error(admin, name, value):
    before = await admin.send("GET", "/settings")
    status, content = await admin.send("POST", "/settings", {"name": name, "setting": value})
    assert status == 400
    assert_like(ERROR, content)
    assert await admin.send("GET", "/settings") == before


@pytest.mark.parametrize(
    ("method", "path", "given", "told"),
    [
        ("POST", "/settings", {"name": "max_jobs", "setting": "x"}, "100000 for max_jobs, got 'x'"),
        ("PUT", "/scheduler", {**SWITCH, "active": "on"}, 'true or false, got "on"'),
        ("PUT", "/scheduler", {**SWITCH, "schedule": "x"}, "no schedule 'x'; there are clear_old"),
    ],
)
async def test_the_error_says_what_was_expected_and_what_came(admin, method, path, given, told):
    assert told in (await admin.send(method, path, given))[1]["error"]


async def test_a_client_writes_its_own_and_an_admin_the_systems(client, admin, api):
    for who, setting in ((admin, 7), (client, 3)):
        assert (await who.send("POST", "/settings", {**PAYLOAD, "setting": setting}))[0] == 200
    assert await api.store.settings("") == {"max_jobs": "7"}
    assert await api.store.settings("demo-client") == {"max_jobs": "3"}


async def test_a_weight_is_given_by_an_admin_alone(client, admin, api):
    given = {"name": "weight", "setting": 3}
    status, content = await client.send("POST", "/settings", given)
    assert (status, content["error"]) == (403, "name: weight is set by an admin")
    assert (await admin.send("POST", "/settings", {**given, "client": "demo-client"}))[0] == 200
    assert await api.store.settings("demo-client") == {"weight": "3"}
    assert (await client.send("GET", "/settings"))[1]["settings"]["weight"] == 3
    for bad in (-1, 1001, "much"):
        status, content = await admin.send("POST", "/settings", {**given, "setting": bad})
        assert (status, "from 0 to 1000 for weight" in content["error"]) == (400, True)


async def test_switching_the_engines_own_is_an_admins(client):
    status, content = await client.send("PUT", "/scheduler", SWITCH)
    assert (status, list(content)) == (403, ["error"])
