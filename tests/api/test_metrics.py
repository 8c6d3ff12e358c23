"""GET /metrics, as Prometheus reads it."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from taskengine.api.app import create_app
from taskengine.meters import MOST_NAMES, Meters
from taskengine.model import JobEnd, StoreUnavailable
from tests.api.conftest import KEY

TEXT = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS = (  # what version 3 asks for
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
OF_THE_INSTANCE = {
    "taskengine_info": "gauge",
    "taskengine_queue_workers": "gauge",
    "taskengine_queue_working": "gauge",
    "taskengine_event_streams": "gauge",
    "taskengine_mirror_up": "gauge",
    "taskengine_database_up": "gauge",
    "taskengine_http_request_duration_seconds": "histogram",
    "taskengine_store_duration_seconds": "histogram",
    "taskengine_store_errors": "counter",
    "taskengine_admission_jobs": "histogram",
    "taskengine_claim_tasks": "histogram",
    "taskengine_callback_tries": "counter",
    "taskengine_refused_keys": "counter",
    "taskengine_actor_restarts": "counter",
    "taskengine_jobs_ended": "counter",
    "taskengine_job_queue_seconds": "histogram",
    "taskengine_job_run_seconds": "histogram",
    "taskengine_task_run_seconds": "histogram",
    "taskengine_loop_delay_seconds": "histogram",
    "process_virtual_memory_bytes": "gauge",
    "process_resident_memory_bytes": "gauge",
    "process_start_time_seconds": "gauge",
    "process_cpu_seconds": "counter",
    "process_open_fds": "gauge",
    "process_max_fds": "gauge",
}
OF_ALL = {
    "taskengine_jobs": "gauge",
    "taskengine_queue_pending": "gauge",
    "taskengine_tasks_processed": "counter",
    "taskengine_tasks_failed": "counter",
    "taskengine_callbacks_waiting": "gauge",
    "taskengine_instances": "gauge",
    "taskengine_queue_oldest_task_seconds": "gauge",
    "taskengine_oldest_queued_job_seconds": "gauge",
    "taskengine_snapshot_held_seconds": "gauge",
    "taskengine_slots": "gauge",
    "taskengine_slots_held": "gauge",
    "taskengine_callback_lanes_dead": "gauge",
}


def read(families, kinds):
    """Samples by name and labels, of just the metrics that are expected."""
    families = list(families)
    assert sorted((family.name, family.type) for family in families) == sorted(kinds.items())
    samples = [sample for family in families for sample in family.samples]
    values = {named(sample.name, **sample.labels): sample.value for sample in samples}
    assert len(values) == len(samples)
    assert not [sample for sample in samples if sample.name.endswith("_created")]
    return values


def named(name, **labels):
    if not name.startswith(("process_", "taskengine_")):
        name = f"taskengine_{name}"
    return name, frozenset(labels.items())


async def metrics(api):
    answer = await api.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == TEXT
    text = await answer.get_data(as_text=True)
    return read(text_string_to_metric_families(text), OF_THE_INSTANCE | OF_ALL)


async def test_the_figures_are_those_of_the_engine(api, body):
    for _ in range(3):
        await api.accepted(body())
    await api.refused(body(job={"workflow": "nope"}))
    await api.store.join("one", api.services.now())
    found = await metrics(api)
    assert found[named("jobs", state="queued", failed="false")] == 3
    assert found[named("jobs", state="broken", failed="true")] == 1
    assert found[named("instances")] == 1
    assert found[named("database_up")] == 1
    assert found[named("mirror_up")] == 1
    assert found[named("tasks_processed_total")] == 0
    assert found[named("info", version="1.169.3")] == 1


async def test_requests_are_counted_by_route_and_status(api, body):
    await api.accepted(body())
    for path in ("/jobs/1", "/jobs/2", "/jobs/3", "/no/such/path"):
        await api.get(path)
    found = await metrics(api)

    def count(method, route, status):
        labels = {"method": method, "route": route, "status": status}
        return found[named("http_request_duration_seconds_count", **labels)]

    assert count("GET", "/jobs/<job_id>", "200") == 1
    assert count("GET", "/jobs/<job_id>", "404") == 2
    assert count("GET", "none", "404") == 1
    assert count("POST", "/job", "200") == 1


async def test_engines_do_not_share_their_meters(api):
    await api.get("/health")
    other = api.with_(meters=Meters())
    assert not [name for name, labels in await metrics(other) if ("route", "/health") in labels]


async def test_without_a_database_who_was_known_hears_what_needs_none(api, monkeypatch):
    app = create_app(api.services).test_client(use_cookies=False)

    async def ask(client):
        return await app.get("/metrics", headers={"client": client, "api-key": KEY})

    async def away(name):
        raise StoreUnavailable(name)

    assert (await ask("other")).status_code == 200
    monkeypatch.setattr(api.store, "client", away)
    assert (await ask("demo-client")).status_code == 503
    text = await (await ask("other")).get_data(as_text=True)
    found = read(text_string_to_metric_families(text), OF_THE_INSTANCE)
    assert found[named("database_up")] == 0


async def test_metrics_need_credentials(api):
    assert (await api.request("GET", "/metrics")).status_code == 401
    assert (await api.get("/metrics", key="wrong")).status_code == 401


async def test_openmetrics_is_for_who_accepts_it(api):
    answer = await api.get("/metrics", headers={"accept": PROMETHEUS})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    text = await answer.get_data(as_text=True)
    kinds = {**OF_THE_INSTANCE, **OF_ALL, "taskengine": "info"}
    del kinds["taskengine_info"]
    found = read(openmetrics.text_string_to_metric_families(text), kinds)
    assert found[named("info", version="1.169.3")] == 1


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/plain;version=latest"])
async def test_whatever_else_is_accepted_the_answer_is_text(api, accept):
    answer = await api.get("/metrics", headers={"accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, TEXT)


async def test_times_and_numbers_are_counted_up_to_each_bound(api):
    meters = api.services.meters
    for seconds in (0.0005, 0.001, 0.2, 7):
        meters.store.labels("claim").observe(seconds)
    found = await metrics(api)
    counts = {"0.001": 2, "0.1": 2, "0.25": 3, "5.0": 3, "+Inf": 4}
    for bound, count in counts.items():
        bucket = named("store_duration_seconds_bucket", operation="claim", le=bound)
        assert found[bucket] == count
    assert found[named("store_duration_seconds_sum", operation="claim")] == 7.2015


def test_series_of_alerts_are_there_before_their_first_event():
    text = generate_latest(Meters().registry).decode()
    for series in (
        'taskengine_callback_tries_total{result="failed"} 0.0',
        'taskengine_store_errors_total{operation="connection"} 0.0',
        "taskengine_loop_delay_seconds_count 0.0",
    ):
        assert series in text


def test_names_that_clients_choose_are_told_apart_up_to_a_limit():
    meters = Meters()
    for number in range(MOST_NAMES + 5):
        meters.job_ended(JobEnd(number, f"client-{number}", "demo", number % 2 == 0, 1.5))
    samples = [
        (sample.labels["client"], sample.labels["result"], sample.value)
        for family in meters.jobs_ended.collect()
        for sample in family.samples
    ]
    assert len(samples) == 2 * MOST_NAMES + 2
    assert ("client-0", "failed", 1.0) in samples
    assert ("client-0", "completed", 0.0) in samples
    assert {("other", "failed", 3.0), ("other", "completed", 2.0)} <= {*samples}
