"""The contract, GET /jobs and GET /jobs/<id>, with A2, A3 and A14."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskengine.model import JobState
from taskengine.testing.contract.world import done, failed, submission
from tests.api.conftest import NOW, job_body
from tests.api.documents import samples
from tests.api.shapes import assert_like

LIST, ERROR = samples("GET: /jobs")
ONE, _ = samples("GET: /jobs/<job_id>")
BAD = ["items=0", "items=x", "order_by=colour", "asc=2", "state=9", "from=x", "to=x", "failed=2"]
BAD += ["job_ids=x", "limit=-1"]


@pytest.fixture
async def ended(client, world, now):
    """Jobs 1 to 3: one that completed, one that failed, one that waits; and 4 was refused."""
    await world.setting("", max_jobs=9)
    for _ in range(2):
        await client.submitted()
    await world.admit(now)
    good, *_, bad = await world.claim(now=now)
    await world.record(done(good, now), failed(bad, when=now))
    await world.record(*[done(one, now) for one in await world.claim(now=now)])
    await client.submitted()
    status, _ = await client.send("POST", "/job", job_body(job={"priority": 99}))
    assert status == 400


async def test_the_list_is_the_sample(client, ended):
    status, rows = await client.open("/jobs?limit=3&client=demo-client&state=2")
    assert status == 200
    assert_like(LIST, rows)


async def test_the_last_ten_are_listed_the_latest_first(client):
    for _ in range(12):
        await client.submitted()
    assert await client.ids() == list(range(12, 2, -1))


@pytest.mark.parametrize("name", ["items", "limit"])
async def test_the_maximum_number_of_jobs_has_two_names(client, name):
    for _ in range(12):
        await client.submitted()
    assert await client.ids(f"?{name}=2") == [12, 11]
    assert len(await client.ids(f"?{name}=5000")) == 12


@pytest.mark.parametrize("name", list(LIST[0]))
async def test_jobs_are_ordered_by_any_property_of_a_row(client, ended, name):
    ascending = await client.ids(f"?order_by={name}&asc=1")
    assert ascending == (await client.ids(f"?order_by={name}&asc=0"))[::-1]
    assert sorted(ascending) == [1, 2, 3]


@pytest.mark.parametrize(
    ("state", "found"), [(0, [3]), (1, []), (2, [2, 1]), (3, []), (4, [4]), (5, []), (6, [])]
)
async def test_the_numbers_of_states(client, ended, state, found):
    assert await client.ids(f"?state={state}") == found
    assert await client.ids(f"?state={JobState(state).label.upper()}") == found


async def test_every_state_has_its_number(client, world, now):
    await world.setting("", max_jobs=1)
    first = await client.submitted()
    await world.admit(now)
    made = {1: first, 0: await client.submitted(), 3: await client.submitted(depends_on=[first])}
    made[5] = await client.submitted(run_at="2031-01-01")
    made[6], made[4] = await client.submitted(), await client.submitted()
    for number, state in ((made[6], "paused"), (made[4], "broken")):
        await client.send("PUT", f"/job/{number}", {"queue_state": state})
    for state, number in made.items():
        assert await client.ids(f"?state={state}") == [int(number)]


async def test_failed_jobs_alone(client, ended):
    """`failed=1` means state completed and failed; with another state there are none."""
    assert await client.ids("?failed=1") == [2]
    assert await client.ids("?failed=1&state=2") == [2]
    assert await client.ids("?failed=1&state=4") == []
    assert await client.ids("?failed=0") == [3, 2, 1]


async def test_refused_jobs_are_shown_by_their_state_alone(client, ended):
    assert 4 not in await client.ids()
    assert await client.ids("?state=4") == [4]


async def test_the_date_range_is_of_the_creation(client, world):
    for day in range(3):
        await world.submit(submission(client="demo-client"), now=NOW + timedelta(days=day))
    assert await client.ids("?from=2030-01-03") == [3, 2]
    assert await client.ids("?to=2030-01-03") == [2, 1]
    assert await client.ids("?from=2030-01-03&to=2030-01-03") == [2]
    assert await client.ids("?from=2030-01-03T03:04:05.678Z&to=2030-01-03T03:04:05.678") == [2]
    assert await client.ids("?from=2030-01-03T03:04:05.679") == [3]


async def test_a_range_that_ends_with_a_shown_time_includes_it(client, world):
    """Times have more digits than are shown."""
    await world.submit(submission(client="demo-client"), now=NOW + timedelta(microseconds=999))
    [shown] = (await client.open("/jobs"))[1]
    when = shown["created_at"]
    assert await client.ids(f"?from={when}&to={when}") == [1]
    assert await client.ids("?to=9999-12-31T23:59:59.999") == [1]


async def test_search_is_by_id_or_content_id(client):
    for content_id in ("Film-7", "film-71", "other"):
        await client.send("POST", "/job", job_body(content_id=content_id))
    assert await client.ids("?search=FILM-7") == [2, 1]
    assert await client.ids("?search=3") == [3]
    assert await client.ids("?search=ilm") == []


async def test_job_ids_are_separated_by_commas(client):
    for _ in range(3):
        await client.submitted()
    assert await client.ids("?job_ids=1,%203") == [3, 1]


async def test_the_list_of_a_client(client, admin):
    await client.submitted()
    await admin.send("POST", "/job", {**job_body(), "client": "other"})
    assert await client.ids("?client=other") == [2]
    assert await client.ids("?client=nobody") == []


@pytest.mark.parametrize("query", BAD)
async def test_what_cannot_be_read_is_a_400_with_an_error(client, query):
    status, content = await client.open(f"/jobs?{query}")
    assert status == 400
    assert_like(ERROR, content)
    assert query.partition("=")[0] in content["error"]


async def test_a_number_that_is_too_long_is_told_so(client):
    _, content = await client.open(f"/jobs?items={'9' * 20}")
    assert content["error"].startswith("items: expected a whole number from 1 to 1000")


async def test_a_job_begins_with_the_keys_of_the_sample(client):
    """The single-job object may have more; what it has of the sample's is as it is there."""
    shown = await client.job(await client.submitted())
    assert [key for key in shown if key in ONE] == list(ONE)
    assert_like({**ONE, "parameters": {}}, {**{key: shown[key] for key in ONE}, "parameters": {}})


async def test_the_parameters_are_those_submitted(client):
    given = {**job_body()["parameters"], "enable_drm": "true", "deep": {"b": [1.5, None], "a": ""}}
    _, answer = await client.send("POST", "/job", job_body(**given))
    shown = await client.job(answer["id"])
    assert list(shown["parameters"].items()) == list(given.items())


async def test_run_at_is_the_creation_unless_given(client):
    shown = await client.job(await client.submitted())
    assert shown["run_at"] == shown["created_at"] == "2030-01-02T03:04:05.678Z"


async def test_an_unknown_job_is_a_404_and_no_number_a_400(client):
    for number, expected in (("77", 404), ("x", 400), ("0x1", 400)):
        for path in ("/jobs/", "/logs/"):
            status, content = await client.open(path + number)
            assert (status, list(content)) == (expected, ["error"])
