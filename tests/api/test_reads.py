"""GET /jobs, /jobs/<id> and /logs/<id>: the samples of the contract, filters, formats."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from taskengine.api.query import Query
from taskengine.api.resources.jobs import job_filter
from taskengine.model import Definition, JobState, LogLine, Severity, Submission
from taskengine.store.memory.lines import add_line

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ROW = {  # the first row of the contract's sample
    "id": 123,
    "client": "demo-client",
    "workflow": "vodcapture",
    "priority": 5,
    "position": 1,
    "created_at": "2020-09-24T11:55:33.755Z",
    "updated_at": "2020-09-24T12:17:33.566Z",
    "queue_state": "completed",
    "failed": False,
    "run_at": "2020-09-24T11:55:33.755Z",
}
JOB = {
    "id": 123,
    "client": "demo-client",
    "workflow": "vodstream",
    "priority": 5,
    "position": 1,
    "top_of_queue": False,
    "parameters": {
        "content_id": "832751d6-f94f-44b3-b30d-0281bebfb0ea",
        "output_folder": "832751d6-f94f-44b3-b30d-0281bebfb0ea",
        "clips": [
            {
                "source": "http://demo.video.stream/live/41f7b71b-fd1a-431e-ab07-0e39909d4fd1/live.isml/Manifest",
                "start": "2019-09-18T16:55:53.000",
                "end": "2019-09-18T17:08:20.520",
            }
        ],
        "encrypted": False,
        "frame_accurate": True,
        "copy_ts": True,
        "rest_endpoints": [
            "https://vis.controlhub.demo-client.vualto.com/api/event/vuflow/taskenginecallback",
            "https://admin.controlhub.demo-client.vualto.com/vod/PublishVuflowData",
        ],
        "generate_vod": True,
        "create_thumbnail": True,
        "thumbnail_time": "00:04:03.120",
        "generate_mp4": False,
        "create_dref": True,
        "mezzanine": True,
        "apply_track_properties": False,
    },
    "created_at": "2019-09-18T17:13:47.713Z",
    "updated_at": "2019-09-18T17:16:05.215Z",
    "queue_state": "completed",
    "failed": False,
    "run_at": "2019-09-18T17:13:47.713Z",
}
ENTRY = {
    "id": 691465,
    "job_id": 123,
    "severity": 1,
    "severity_description": "INFO",
    "progname": "worker",
    "message": "No client definitions. Using common definitions.",
    "created_at": "2020-07-06T12:48:50.079Z",
    "updated_at": "2020-07-06T12:48:50.079Z",
    "task_id": 24100,
    "visible": True,
}


def alike(sample, value):
    """The same keys in the same order, the same types, times in the same format."""
    assert type(value) is type(sample)
    if isinstance(sample, dict):
        assert list(value) == list(sample)
        for key in sample:
            alike(sample[key], value[key])
    elif isinstance(sample, list):
        for item in value:
            alike(sample[0], item)
    elif isinstance(sample, str) and TIME.fullmatch(sample):
        assert TIME.fullmatch(value)


async def listed(api, query=""):
    answer = await api.request("GET", f"/jobs{query}")
    content = await answer.get_json()
    assert answer.status_code == 200, content
    return [row["id"] for row in content]


async def test_rows_are_those_of_the_contract(api, body):
    await api.accepted(body())
    rows = await (await api.request("GET", "/jobs")).get_json()
    alike([ROW], rows)
    assert rows[0] == {
        **ROW,
        "id": 1,
        "workflow": "drmswitch",
        "queue_state": "queued",
        "created_at": "2030-01-02T03:04:05.678Z",
        "updated_at": "2030-01-02T03:04:05.678Z",
        "run_at": "2030-01-02T03:04:05.678Z",
    }


async def test_the_default_list_is_the_last_ten(api, body):
    for _ in range(12):
        await api.accepted(body())
    await api.refused(body(job={"priority": 0}))
    assert await listed(api) == [*range(12, 2, -1)]
    assert await listed(api, "?items=2") == await listed(api, "?limit=2") == [12, 11]
    assert await listed(api, "?limit=3&client=demo-client&asc=1") == [1, 2, 3]
    assert len(await listed(api, "?items=100000")) == 12
    assert await listed(api, "?items=&state=&search=&client=&asc=0") == [*range(12, 2, -1)]


ORDERS = {
    **{name: [1, 2] for name in ("id", "created_at", "updated_at", "failed")},
    **{name: [2, 1] for name in ("client", "workflow", "priority", "position", "run_at")},
    "queue_state": [2, 1],
}


@pytest.mark.parametrize("name", [*ROW])
async def test_lists_are_ordered_by_any_key_of_a_row(api, now, name):
    """The second job is before the first under the orders that ORDERS says."""
    second = {"priority": 1, "position": 0}
    later = {"priority": 9, "position": 5, "run_at": now + timedelta(days=1)}
    await submit(api, now, "vodstream", "other", **later)
    await submit(api, now + timedelta(seconds=1), "drmswitch", "demo-client", **second)
    assert await listed(api, f"?order_by={name}&asc=1") == ORDERS[name]
    assert await listed(api, f"?order_by={name}&asc=0") == ORDERS[name][::-1]


async def submit(api, at, workflow="drmswitch", client="demo-client", **fields):
    """A job at a time of its own, past the API."""
    definition = Definition("d", workflow, {"parameters": {"type": "object"}}, ())
    submission = Submission(client, workflow, {}, [], definition=definition, **fields)
    (number,) = await api.store.submit([submission], at)
    return number


async def test_lists_are_filtered_by_client_state_time_and_content_id(api, body, now):
    await submit(api, now - timedelta(days=1), content_id="Film-1")
    await submit(api, now, content_id="film-2", client="other")
    await submit(api, now, content_id="serial", run_at=now + timedelta(hours=1))
    assert await listed(api, "?client=other") == [2]
    assert await listed(api, "?state=5") == await listed(api, "?state=scheduled") == [3]
    assert await listed(api, "?state=0,5&client=demo-client") == [3, 1]
    assert await listed(api, "?search=film") == [2, 1]
    assert await listed(api, "?search=FILM-1") == [1]
    assert await listed(api, "?search=3") == [3]
    assert await listed(api, "?search=ilm") == []
    assert await listed(api, "?job_ids=3,1,99") == [3, 1]
    assert await listed(api, "?from=2030-01-02") == [3, 2]
    assert await listed(api, "?to=2030-01-01") == [1]
    assert await listed(api, "?from=2030-01-01&to=2030-01-02") == [3, 2, 1]
    assert await listed(api, "?to=2030-01-02T00:00:00.000Z") == [1]
    assert await listed(api, "?from=2030-01-02T05:00:00+02:00") == [3, 2]


async def test_failed_means_completed_and_failed(api, now):
    for _ in range(4):
        await submit(api, now)
    await api.refused({"parameters": {}})
    put(api, 1, JobState.COMPLETED, failed=True)
    put(api, 2, JobState.COMPLETED)
    put(api, 3, JobState.BROKEN, failed=True)
    assert await listed(api, "?failed=1") == await listed(api, "?failed=1&state=2") == [1]
    assert await listed(api, "?failed=1&state=4") == []
    assert await listed(api, "?failed=0&state=2") == [2, 1]
    assert await listed(api, "?state=4") == [5, 3]


def put(api, number, state, *, failed=False):
    row = api.store.tables.jobs[number]
    row.job = type(row.job)(
        **{name: getattr(row.job, name) for name in row.job.__slots__}
        | {"state": state, "failed": failed}
    )


async def test_all_jobs_asked_for_by_id_are_shown(api, now):
    numbers = [await submit(api, now) for _ in range(15)]
    query = ",".join(map(str, numbers))
    assert len(await listed(api, f"?job_ids={query}")) == 15


@pytest.mark.parametrize(
    "query",
    [
        "items=0",
        "items=-1",
        "limit=x",
        "order_by=parameters",
        "asc=2",
        "state=7",
        "state=done",
        "from=yesterday",
        "to=2020-13-01",
        "failed=maybe",
        "job_ids=1,x",
        "job_ids=-1",
    ],
)
async def test_bad_queries_are_told_by_name(api, query):
    answer = await api.request("GET", f"/jobs?{query}")
    content = await answer.get_json()
    assert answer.status_code == 400
    assert list(content) == ["error"]
    assert content["error"].startswith(query.partition("=")[0])
    assert "expected" in content["error"]


async def test_a_job_is_that_of_the_contract(api, now):
    await submit_sample(api, now)
    shown = await (await api.request("GET", "/jobs/1")).get_json()
    sample = {**JOB, "id": 1, "queue_state": "queued"}
    times = dict.fromkeys(("created_at", "updated_at", "run_at"), "2030-01-02T03:04:05.678Z")
    assert list(shown)[: len(JOB)] == list(JOB)
    assert {key: shown[key] for key in JOB} == sample | times
    assert list(shown["parameters"]) == list(JOB["parameters"])
    assert {key: shown[key] for key in [*shown][len(JOB) :]} == {
        "semaphore_url": None,
        "persist": False,
        "progress": 0,
        "tasks": [],
        "depends_on": [],
        "rerun_of": None,
        "definition": "d",
    }


async def submit_sample(api, now):
    content = {"workflow": "vodstream", "parameters": {"type": "object"}, "tasks": []}
    definition = Definition("d", "vodstream", content, ())
    submission = Submission("demo-client", "vodstream", JOB["parameters"], [], definition)
    await api.store.submit([submission], now)


async def test_an_admitted_job_shows_its_tasks(api, body, now):
    number = await api.accepted(body())
    instance = await api.store.join("test", now)
    await api.store.admit(instance, now)
    shown = await (await api.request("GET", f"/jobs/{number}")).get_json()
    assert shown["queue_state"] == "started"
    assert [task["name"] for task in shown["tasks"]] == ["get_filenames", "rename_manifests"]
    assert shown["tasks"][0] == {
        "id": 1,
        "name": "get_filenames",
        "action": "core.noop",
        "queue": "work",
        "state": "queued",
        "attempt": 0,
        "progress": 0,
        "error": None,
        "started_at": None,
        "ended_at": None,
    }
    put_progress(api, 1, 1.0)
    put_progress(api, 2, 0.5)
    assert (await (await api.request("GET", f"/jobs/{number}")).get_json())["progress"] == 75


def put_progress(api, number, progress):
    row = api.store.tables.tasks[number]
    names = row.task.__slots__
    row.task = type(row.task)(**{n: getattr(row.task, n) for n in names} | {"progress": progress})


def test_a_list_has_at_most_a_thousand_rows():
    assert job_filter(Query({"items": ["5000"]})).limit == 1000


@pytest.mark.parametrize("path", ["/jobs/1", "/logs/1", f"/jobs/{10**30}", "/jobs/0"])
async def test_an_unknown_job_is_a_404(api, path):
    answer = await api.request("GET", path)
    assert answer.status_code == 404
    assert list(await answer.get_json()) == ["error"]


# Logs


async def test_log_entries_are_those_of_the_contract(api, now):
    number = await submit(api, now)
    message, severity = ENTRY["message"], Severity.INFO
    add_line(api.store.tables, LogLine(number, "worker", message, now, 24100, severity))
    entries = await (await api.request("GET", f"/logs/{number}")).get_json()
    alike([ENTRY], entries)
    times = dict.fromkeys(("created_at", "updated_at"), "2030-01-02T03:04:05.678Z")
    assert entries == [{**ENTRY, "id": 1, "job_id": 1, **times}]


async def test_debug_lines_are_shown_on_demand(api, now):
    number = await submit(api, now)
    for severity in Severity:
        add_line(api.store.tables, LogLine(number, "worker", "text", now, 1, severity))
    shown = await (await api.request("GET", f"/logs/{number}")).get_json()
    everything = await (await api.request("GET", f"/logs/{number}?show_all=1")).get_json()
    assert [line["severity_description"] for line in shown] == ["INFO", "WARN", "ERROR", "FATAL"]
    assert [line["severity"] for line in everything] == [0, 1, 2, 3, 4]
    assert [line["visible"] for line in everything] == [False, True, True, True, True]


async def test_a_log_is_read_on_from_a_line(api, now):
    number = await submit(api, now)
    for text in ("one", "two", "three"):
        add_line(api.store.tables, LogLine(number, "worker", text, now, 1))
    lines = await (await api.request("GET", f"/logs/{number}")).get_json()
    path = f"/logs/{number}?after={lines[0]['id']}"
    assert await (await api.request("GET", path)).get_json() == lines[1:]
    path = f"/logs/{number}?after={lines[-1]['id']}"
    assert await (await api.request("GET", path)).get_json() == []
    assert (await api.request("GET", f"/logs/{number}?after=x")).status_code == 400


async def test_an_empty_log_is_an_empty_array(api, now):
    number = await submit(api, now)
    answer = await api.request("GET", f"/logs/{number}")
    assert await answer.get_data() == b"[]"
    assert answer.content_type == "application/json"


async def test_a_log_without_any_page_is_an_empty_array(api, now, monkeypatch):
    number = await submit(api, now)

    async def log(job_id, *, show_all=False, after=0):
        for page in ():
            yield page

    monkeypatch.setattr(api.store, "log", log)
    for _ in range(20):
        assert await (await api.request("GET", f"/logs/{number}")).get_data() == b"[]"


async def test_a_log_is_streamed_page_by_page(api, now, monkeypatch):
    number = await submit(api, now)
    given = []

    async def log(job_id, *, show_all=False, after=0):
        for index in range(3):
            given.append(index)
            yield [LogLine(job_id, "worker", f"é{index}-{i}", now) for i in range(index)]

    monkeypatch.setattr(api.store, "log", log)
    entries = json.loads(await (await api.request("GET", f"/logs/{number}")).get_data())
    assert [entry["message"] for entry in entries] == ["é1-0", "é2-0", "é2-1"]
    assert given == [0, 1, 2]
