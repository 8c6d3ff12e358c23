"""/, /health, /dashboard, /settings, /schedules, /workflows: the samples of the contract."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskengine.configuration import Configuration
from taskengine.counters import QueueCount
from taskengine.model import JobState
from taskengine.testing.contract.world import submission
from tests.api.conftest import NOW

LISTS = ("started", "queued", "scheduled")  # of the dashboard

HEALTH = {
    "version": "1.169.3",
    "databases": {"redis": "OK", "postgres": "OK"},
    "queues": {
        "windows_capture": {"workers": 12, "working": 0, "pending": 0},
        "scheduler": {"workers": 1, "working": 0, "pending": 0},
        "work": {"workers": 9, "working": 0, "pending": 0},
        "controller": {"workers": 1, "working": 0, "pending": 0},
        "callback": {"workers": 2, "working": 0, "pending": 0},
    },
    "tasks": {"failed": 0, "pending": 0, "processed": 987654321},
    "jobs": {
        "completed": 12345,
        "failed": 65,
        "pending": 0,
        "broken": 20,
        "queued": 4,
        "started": 8,
        "scheduled": 7,
        "max_jobs": 8,
        "priority_slots": 3,
    },
}
ROW = ["id", "client", "workflow", "priority", "position", "created_at", "updated_at"]
ROW += ["queue_state", "failed", "run_at"]
WORKERS = {"windows_capture": 12, "scheduler": 1, "work": 9, "controller": 1, "callback": 2}


def same_keys(sample, value):
    assert type(value) is type(sample)
    if isinstance(sample, dict):
        assert list(value) == list(sample)
        for key in sample:
            same_keys(sample[key], value[key])


async def test_the_engine_is_alive(api):
    for path in ("/", "/livez"):
        answer = await api.request("GET", path)
        assert answer.status_code == 200
        assert await answer.get_json() == {"result": "alive"}


async def test_an_engine_that_takes_jobs_is_ready(api):
    assert (await api.request("GET", "/readyz")).status_code == 200


async def test_health_is_that_of_the_contract(api, body, now):
    counters = api.services.counters
    await counters.publish(1, {name: QueueCount(number) for name, number in WORKERS.items()})
    await counters.publish(2, {"work": QueueCount(1, 1, 2)})
    await api.store.put_setting("", "max_jobs", "8")
    await api.store.put_setting("", "priority_slots", "3")
    await api.accepted(body())
    await api.store.admit(await api.store.join("test", now), now)
    await api.accepted(body())
    await api.accepted(body(job={"run_at": "2031-01-01"}))
    await api.refused(body(job={"priority": 0}))
    content = await (await api.get("/health")).get_json()
    same_keys(HEALTH, content)
    assert content["version"] == "1.169.3"
    assert content["databases"] == HEALTH["databases"]
    assert content["queues"] == {
        **HEALTH["queues"],
        "work": {"workers": 10, "working": 1, "pending": 3},
    }
    assert content["tasks"] == {"failed": 0, "pending": 1, "processed": 0}
    states = {"queued": 1, "started": 1, "scheduled": 1, "broken": 1, "pending": 0}
    expected = {"completed": 0, "failed": 0, **states, "max_jobs": 8, "priority_slots": 3}
    assert content["jobs"] == expected


async def test_failed_jobs_are_among_the_completed(api, monkeypatch):
    totals = await api.store.totals()
    counted = {(JobState.COMPLETED, False): 5, (JobState.COMPLETED, True): 2}
    monkeypatch.setattr(type(api.store), "totals", lambda self: _async(type(totals)(jobs=counted)))
    jobs = (await (await api.get("/health")).get_json())["jobs"]
    assert (jobs["completed"], jobs["failed"]) == (7, 2)


async def _async(value):
    return value


async def test_health_without_a_mirror(api):
    content = await (await api.with_(counters=None).get("/health")).get_json()
    same_keys(HEALTH, content)
    assert content["databases"] == {"redis": "disabled", "postgres": "OK"}
    assert content["queues"] == HEALTH["queues"]


async def test_without_a_mirror_it_tells_who_works_here(api):
    busy = {"work": QueueCount(9, 7, 0), "callback": QueueCount(2, 1, 3)}
    services = api.with_(counters=None, counts=lambda: busy)
    queues = (await (await services.get("/health")).get_json())["queues"]
    assert queues["work"] == {"workers": 9, "working": 7, "pending": 0}
    assert queues["callback"] == {"workers": 2, "working": 1, "pending": 3}
    assert queues["windows_capture"] == {"workers": 12, "working": 0, "pending": 0}


async def test_the_dashboard_is_that_of_the_contract(api, body, now):
    await api.store.put_setting("", "max_jobs", "1")
    await api.accepted(body())
    await api.store.admit(await api.store.join("test", now), now)
    await api.accepted(body(job={"priority": 6}))
    await api.accepted(body(job={"priority": 2}))
    await api.accepted(body(job={"priority": 9, "top_of_queue": True}))
    later = (now + timedelta(hours=2)).isoformat()
    sooner = (now + timedelta(hours=1)).isoformat()
    await api.accepted(body(job={"run_at": later}))
    await api.accepted({**body(job={"run_at": sooner}), "client": "other"}, client="other")
    content = await (await api.request("GET", "/dashboard")).get_json()
    keys = ["max_jobs", "priority_slots", "started", "queued", "scheduled", "version"]
    assert list(content) == keys
    assert (content["max_jobs"], content["priority_slots"]) == (1, 0)
    assert content["version"] == "1.169.3"
    numbers = {key: [row["id"] for row in content[key]] for key in keys[2:5]}
    assert numbers == {"started": [1], "queued": [4, 3, 2], "scheduled": [6, 5]}
    assert all(list(row) == ROW for key in keys[2:5] for row in content[key])


async def test_the_dashboard_shows_the_first_thousand_of_each_list(api, world, now):
    """Rule 28; without a client and for one."""
    await world.setting("", max_jobs=5000)
    more, soon = 1001, now + timedelta(hours=1)
    started = await world.submit(*(submission() for _ in range(more)), now=now)
    assert await world.admit(now, more) == more
    queued = await world.submit(*(submission() for _ in range(more)), now=now)
    first = await world.submit(submission(priority=1), now=now)
    later = [submission(run_at=soon + timedelta(seconds=n)) for n in range(more, 0, -1)]
    scheduled = await world.submit(*later, now=now)
    for headers in ({}, {"client": "acme"}):
        content = await (await api.request("GET", "/dashboard", headers=headers)).get_json()
        shown = {key: [row["id"] for row in content[key]] for key in LISTS}
        assert shown == {
            "started": started[:1000],
            "queued": [*first, *queued][:1000],
            "scheduled": scheduled[:0:-1],
        }


async def test_the_dashboard_of_an_admin(api, body):
    """The header filters while reads are public, as in the contract; else it says who asks."""
    await api.accepted(body())
    closed = api.with_(configuration=Configuration(public_reads=False))
    for asked, client, number in (
        (api, "root", 0),
        (closed, "root", 1),
        (closed, "demo-client", 1),
    ):
        content = await (await asked.get("/dashboard", client=client)).get_json()
        assert len(content["queued"]) == number, (asked, client)
    for name, number in (("demo-client", 1), ("other", 0)):
        for asked in (api, closed):
            answer = await asked.get(f"/dashboard?client={name}", client="root")
            assert len((await answer.get_json())["queued"]) == number
    assert (await closed.get("/dashboard?client=root")).status_code == 403


async def test_the_dashboard_of_one_client(api, body):
    await api.accepted(body())
    await api.accepted({**body(), "client": "other"}, client="other")
    await api.store.put_setting("other", "max_jobs", "7")
    content = await (await api.request("GET", "/dashboard", headers={"client": "other"})).get_json()
    assert [row["id"] for row in content["queued"]] == [2]
    assert content["max_jobs"] == 7
    unset = await api.request("GET", "/dashboard", headers={"client": "demo-client"})
    assert (await unset.get_json())["max_jobs"] == 2


async def set_(api, name, setting, client="root"):
    return await api.post("/settings", {"name": name, "setting": setting}, client=client)


async def test_a_setting_is_answered_as_in_the_contract(api):
    answer = await set_(api, "max_jobs", "4")
    assert answer.status_code == 200
    assert await answer.get_json() == {
        "result": "ok",
        "message": "max_jobs setting created/updated",
    }
    content = await (await api.get("/settings", client="root")).get_json()
    assert content["settings"]["max_jobs"] == 4
    assert content["settings"]["retry_limit"] == 3


async def test_a_client_makes_up_a_hundred_settings_and_no_more(api):
    for number in range(100):
        assert (await set_(api, f"own {number}", "x", client="demo-client")).status_code == 200
    answer = await set_(api, "one more", "x", client="demo-client")
    assert answer.status_code == 400
    told = "name: there may be 100 settings of one's own, and there are"
    assert await answer.get_json() == {"error": told}
    assert (await set_(api, "max_jobs", 3, client="demo-client")).status_code == 200
    assert (await set_(api, "own 7", "y", client="demo-client")).status_code == 200


async def test_whose_settings_are_written(api):
    await set_(api, "max_jobs", 4)
    await set_(api, "max_jobs", 3, client="demo-client")
    await set_(api, "mine", True)
    assert await api.store.settings("") == {"max_jobs": "4", "mine": "true"}
    assert await api.store.settings("demo-client") == {"max_jobs": "3"}
    answer = await api.post(
        "/settings", {"client": "other", "name": "max_jobs", "setting": 5}, client="root"
    )
    assert answer.status_code == 200
    assert await api.store.settings("other") == {"max_jobs": "5"}
    answer = await api.post(
        "/settings", {"client": "other", "name": "max_jobs", "setting": 5}, client="demo-client"
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("max_jobs", "many"),
        ("max_jobs", "-1"),
        ("max_jobs", "--5"),
        ("max_jobs", "²"),
        ("max_jobs", None),
        ("max_jobs", [4]),
        ("priority_threshold", 0),
        ("", "4"),
        (None, "4"),
        ("n" * 101, "4"),
        ("new", "x" * 10_001),
    ],
)
async def test_bad_settings_are_refused(api, name, setting):
    answer = await set_(api, name, setting)
    content = await answer.get_json()
    assert answer.status_code == 400
    assert list(content) == ["error"]
    assert await api.store.settings("") == {}


async def test_what_is_the_systems_alone_is_no_clients(api):
    for client, body in (("demo-client", {}), ("root", {"client": "other"})):
        body = {**body, "name": "schedule_interval", "setting": 30}
        answer = await api.post("/settings", body, client=client)
        assert answer.status_code == 400
        told = (await answer.get_json())["error"]
        assert told == "name: schedule_interval is the system's alone: an admin sets it"


async def test_whoever_is_concerned_is_woken(api):
    woken = []
    watched = api.with_(changed=lambda: woken.append(1), rescheduled=lambda: woken.append(2))
    for name, setting in (("max_jobs", "x"), ("max_jobs", 3), ("schedule_interval", 30)):
        await set_(watched, name, setting)
    assert woken == [1, 1, 2]


async def test_a_client_sees_what_is_in_force_for_it(api):
    await set_(api, "max_jobs", 9)
    await set_(api, "schedule_interval", 30)
    await set_(api, "retry_limit", 7, client="demo-client")
    content = await (await api.get("/settings")).get_json()
    assert content["settings"] == {
        "max_jobs": None,
        "priority_slots": 0,
        "priority_threshold": 10,
        "schedule_interval": 30,
        "retry_delay": 5,
        "retry_limit": 7,
        "retry_hours": 24,
        "retention_days": 30,
        "weight": 0,
    }


async def test_a_row_that_somebody_wrote_by_hand_stops_nothing(api, body):
    for scope in ("", "demo-client"):
        for name in ("max_jobs", "priority_slots", "schedule_interval", "retention_days"):
            await api.store.put_setting(scope, name, "many")
    for path in ("/health", "/dashboard", "/settings", "/schedules"):
        assert (await api.get(path)).status_code == 200
    await api.accepted(body())
    assert (await api.store.admit(await api.store.join("one", NOW), NOW)).number == 1


async def test_workflows_are_listed_and_shown(api):
    content = await (await api.get("/workflows")).get_json()
    assert [row["name"] for row in content] == ["drmswitch", "vodcapture"]
    one = await (await api.get("/workflows/drmswitch")).get_json()
    assert one["tasks"] == ["get_filenames", "rename_manifests"]
    assert one["definition"]["parameters"]["required"] == ["content_id", "folder"]
    assert (await api.get("/workflows/nothing")).status_code == 404
