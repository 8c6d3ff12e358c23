"""The contract, "Status Endpoints": GET /, /health, /dashboard."""

from __future__ import annotations

import pytest

from taskengine.counters import QueueCount
from taskengine.model import StoreUnavailable
from taskengine.testing.contract.world import done
from tests.api.conftest import job_body
from tests.api.documents import samples
from tests.api.shapes import assert_like

CLOSED = [
    ("GET", "/health"),
    ("POST", "/job"),
    ("PUT", "/job/1"),
    ("POST", "/jobs/1/rerun"),
    ("GET", "/schedules"),
    ("PUT", "/scheduler"),
    ("POST", "/settings"),
]
OPEN = ["/", "/dashboard", "/jobs", "/jobs/1", "/logs/1"]


async def test_the_engine_is_reachable(client):
    [sample] = samples("GET: /")
    assert await client.open("/") == (200, sample)


@pytest.mark.parametrize(("method", "path"), CLOSED)
@pytest.mark.parametrize("lacking", ["client", "api-key"])
async def test_requires_authentication_yes(client, method, path, lacking):
    await client.submitted()
    status, content = await client.send(method, path, {"x": 1}, **{lacking: None})
    assert status == 401
    assert list(content) == ["error"]


@pytest.mark.parametrize("path", OPEN)
async def test_requires_authentication_no(client, path):
    await client.submitted()
    assert (await client.open(path))[0] == 200


async def test_health_is_the_sample(client, world, now):
    sample, _ = samples("GET: /health")
    status, content = await client.send("GET", "/health")
    assert status == 200
    assert_like(sample, content)


async def test_health_counts_jobs_and_tasks(client, world, now):
    """ "… and some statistics about jobs and tasks"."""
    await client.submitted()
    await world.admit(now)
    [attempt] = await world.claim(now=now)
    await world.record(done(attempt, now))
    _, content = await client.send("GET", "/health")
    assert content["tasks"] == {"failed": 0, "pending": 1, "processed": 1}
    assert (content["jobs"]["started"], content["jobs"]["queued"]) == (1, 0)


async def test_health_shows_the_system_wide_values(client, admin):
    """A13: a client's own values are not those of /health."""
    for who, name, setting in ((admin, "max_jobs", "8"), (admin, "priority_slots", "3")):
        await who.send("POST", "/settings", {"name": name, "setting": setting})
    await client.send("POST", "/settings", {"name": "max_jobs", "setting": "1"})
    _, content = await client.send("GET", "/health")
    assert (content["jobs"]["max_jobs"], content["jobs"]["priority_slots"]) == (8, 3)
    _, content = await client.open("/dashboard")
    assert (content["max_jobs"], content["priority_slots"]) == (8, 3)


async def test_health_adds_up_the_queues_of_all_instances(client, api):
    await api.services.counters.publish(1, {"work": QueueCount(5, 2, 1)})
    await api.services.counters.publish(2, {"work": QueueCount(4)})
    _, content = await client.send("GET", "/health")
    assert content["queues"]["work"] == {"workers": 9, "working": 2, "pending": 1}


async def test_a_failing_health_is_a_500_with_an_error(client, api, monkeypatch):
    async def away(*_):
        raise StoreUnavailable("gone")

    monkeypatch.setattr(type(api.store), "totals", away)
    _, sample = samples("GET: /health")
    status, content = await client.send("GET", "/health")
    assert status == 500
    assert_like(sample, content)


async def test_the_dashboard_is_the_sample(client, world, now):
    await client.send("POST", "/settings", {"name": "max_jobs", "setting": 1})
    await client.submitted()
    await world.admit(now)
    await client.submitted()
    await client.submitted(run_at="2031-01-01T00:00:00.000")
    [sample] = samples("GET: /dashboard")
    status, content = await client.open("/dashboard")
    assert status == 200
    assert_like(sample, content)
    lists = ("started", "queued", "scheduled")
    assert [[row["queue_state"] for row in content[name]] for name in lists] == [
        ["started"],
        ["queued"],
        ["scheduled"],
    ]


async def test_the_dashboard_of_a_client(client, admin):
    await client.submitted()
    await admin.send("POST", "/job", {**job_body(), "client": "other"})
    _, everybodys = await client.open("/dashboard")
    _, own = await client.send("GET", "/dashboard", api_key=None)
    assert [row["client"] for row in everybodys["queued"]] == ["demo-client", "other"]
    assert [row["client"] for row in own["queued"]] == ["demo-client"]
