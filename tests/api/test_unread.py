"""What a request says and nobody reads: told or refused, never passed over."""

import json

import pytest

from taskengine.model import Severity
from tests.api.changing import send


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (
            "/jobs?failed=1&stat=2",
            "stat: there is no such query parameter; is 'state' meant?; there are ",
        ),
        ("/jobs?workflow=three", "workflow: there is no such query parameter; there are items, "),
        ("/jobs?State=2", "State: there is no such query parameter; is 'state' meant?"),
        ("/jobs/1?show_all=1", "show_all: there is no such query parameter; there are none here"),
        ("/logs/1?all=1", "all: there is no such query parameter; there are show_all, after"),
        ("/dashboard?clients=x", "clients: there is no such query parameter; is 'client' meant?"),
        ("/events?state=2", "state: there is no such query parameter"),
        ("/settings?client=other", "client: there is no such query parameter"),
        ("/schedules?client=other", "client: there is no such query parameter"),
        ("/health?verbose=1", "verbose: there is no such query parameter"),
        ("/jobs/1/explain?x=1", "x: there is no such query parameter"),
    ],
)
async def test_a_read_refuses_an_unknown_query_parameter(api, path, told):
    answer = await api.get(path)
    assert answer.status_code == 400
    assert (await answer.get_json())["error"].startswith(told)


@pytest.mark.parametrize("path", ["/?x=1", "/livez?verbose=1", "/readyz?x=1", "/jobs?_=17&stat="])
async def test_probes_caches_and_empty_ones_are_let_be(api, path):
    assert (await api.get(path)).status_code == 200


@pytest.mark.parametrize(("path", "body"), [("/jobs/batch?x=1", []), ("/schedules?x=1", {})])
async def test_calls_that_the_contract_does_not_have_are_strict(api, path, body):
    answer = await api.post(path, body)
    assert answer.status_code == 400
    assert (await answer.get_json())["error"].startswith("x: there is no such query parameter")


async def test_an_update_goes_on_and_says_what_it_did_not_look_at(api, body, put):
    number = await api.accepted(body())
    given = {"client": "demo-client", "priority": 3, "prio": 1, "depends_on": [1]}
    assert await put(number, given) == (
        200,
        {
            "id": str(number),
            "result": "Performed updates: priority",
            "warnings": [
                "prio: unknown, and not looked at; is 'priority' meant?",
                "depends_on: unknown, and not looked at",
            ],
        },
    )
    assert (await api.job(number)).job.priority == 3


async def test_many_unknown_names_are_told_in_few_words(api, body, put):
    number = await api.accepted(body())
    _, content = await put(number, {"priority": 3, **{f"x{n}": 1 for n in range(99)}})
    assert len(content["warnings"]) == 21
    assert content["warnings"][-1] == "79 more are unknown"


async def test_a_submission_says_in_its_log_what_was_not_looked_at(api, body):
    given = {**body(job={"prio": 1}, foldr="x"), "priority": 1}
    number = await api.accepted(given, path="/job?urgent=1")
    warnings = [line.message for line in await api.lines(number) if line.severity is Severity.WARN]
    assert warnings == [
        "Query parameter 'urgent' is unknown",
        "Field 'priority' is unknown",
        "Field 'job.prio' is unknown; is 'priority' meant?",
        "Parameter 'foldr' is unknown to the workflow drmswitch; is 'folder' meant?",
    ]


async def test_a_setting_that_is_misspelt_is_kept_and_told(api):
    answer = await api.post("/settings", {"name": "max_job", "setting": 3, "scope": "x"})
    assert await answer.get_json() == {
        "result": "ok",
        "message": "max_job setting created/updated",
        "warnings": [
            "max_job: no setting of the engine; is 'max_jobs' meant?; kept, without any effect",
            "scope: unknown, and not looked at",
        ],
    }
    answer = await api.post("/settings", {"name": "Max_Jobs", "setting": 3})
    assert list(await answer.get_json()) == ["result", "message"]


async def test_a_switch_says_what_it_did_not_look_at(api, api_key):
    change = {"schedule": "queue_scheduled_jobs", "active": True, "activ": False}
    given = json.dumps(change).encode()
    status, content = await send(api, "PUT", "/scheduler", given, "root", key=api_key)
    assert status == 200
    assert content["warnings"] == ["activ: unknown, and not looked at; is 'active' meant?"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"timezone": "Europe/Berlin"}, "timezone: unknown; known are active, client, cron, "),
        ({"descriptoin": "x"}, "descriptoin: unknown; is 'description' meant?"),
        ({"every": [60, {"first": 5}], "cron": None}, "every: expected seconds, or [seconds, "),
        ({"every": [60, {"first_in": 5, "x": 1}], "cron": None}, "every: expected seconds, or "),
        (
            {"job": {"workflow": "drmswitch", "prio": 1}},
            "job.prio: unknown; is 'priority' meant?; known are ",
        ),
        ({"name": "QUEUE_SCHEDULED_JOBS"}, "name: queue_scheduled_jobs is the engine's own, in "),
        ({"cron": "* " * 300}, "cron: expected at most 400 characters, got 599"),
    ],
)
async def test_a_schedule_with_anything_unknown_is_refused(api, body, change, told):
    """It would go wrong at night, when nobody reads a warning."""
    answer = await api.post("/schedules", {"name": "n", "cron": "0 3 * * *", **body(), **change})
    assert answer.status_code == 400
    assert (await answer.get_json())["error"].startswith(told)


async def test_a_schedule_says_which_parameters_its_workflow_does_not_know(api, body):
    answer = await api.post("/schedules", {"name": "n", "cron": "0 3 * * *", **body(foldr="x")})
    told = "Parameter 'foldr' is unknown to the workflow drmswitch; is 'folder' meant?"
    assert (answer.status_code, (await answer.get_json())["warnings"]) == (200, [told])


async def test_a_cron_list_of_every_minute_is_taken(api, body):
    minutes = ",".join(map(str, range(60)))
    answer = await api.post("/schedules", {"name": "n", "cron": f"{minutes} * * * *", **body()})
    assert answer.status_code == 200


async def test_what_stands_beside_a_batch_is_refused(api):
    answer = await api.post("/jobs/batch", {"jobs": [], "parameters": {}})
    assert (answer.status_code, await answer.get_json()) == (
        400,
        {"error": "the body: 'parameters' is unknown; known are client, jobs"},
    )


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("items=-1", "items: expected a whole number from 1 to 1000, got '-1'"),
        ("limit=0", "limit: expected a whole number from 1 to 1000, got '0'"),
        ("before=-1", "before: expected a whole number of 0 or more, got '-1'"),
    ],
)
async def test_a_number_out_of_range_is_told_with_its_range(api, query, told):
    answer = await api.get(f"/jobs?{query}")
    assert (await answer.get_json())["error"] == told
