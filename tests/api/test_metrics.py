"""GET /metrics, as Prometheus reads it."""

import re

from taskengine.api.app import create_app
from taskengine.meters import Counter, Histogram, Meters
from taskengine.model import StoreUnavailable
from tests.api.conftest import KEY

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = rf'{NAME}="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"({NAME})(?:{{({LABEL}(?:,{LABEL})*)}})? (-?[0-9.e+-]+)")


def read(text):
    """Samples by name and labels; the text has to be as the format wants it."""
    assert text.endswith("\n")
    kinds, samples = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            base = re.sub("_(bucket|sum|count)$", "", name)
            assert kinds.get(name) or kinds[base] == "histogram"
            assert (name, labels) not in samples
            samples[name, labels] = float(value)
    for name, kind in kinds.items():
        assert name.startswith("taskengine_")
        assert name.endswith("_total") == (kind == "counter")
    return samples


async def metrics(api, **given):
    answer = await api.get("/metrics", **given)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(await answer.get_data(as_text=True))


async def test_the_figures_are_those_of_the_engine(api, body):
    for _ in range(3):
        await api.accepted(body())
    await api.refused(body(job={"workflow": "nope"}))
    await api.store.join("one", api.services.now())
    found = await metrics(api)
    assert found["taskengine_jobs", 'state="queued",failed="false"'] == 3
    assert found["taskengine_jobs", 'state="broken",failed="true"'] == 1
    assert found["taskengine_instances", None] == 1
    assert found["taskengine_database_up", None] == 1
    assert found["taskengine_mirror_up", None] == 1
    assert found["taskengine_tasks_processed_total", None] == 0
    assert found["taskengine_info", 'version="1.169.3"'] == 1


async def test_requests_are_counted_by_route_and_status(api, body):
    await api.accepted(body())
    for path in ("/jobs/1", "/jobs/2", "/jobs/3", "/no/such/path"):
        await api.get(path)
    found = await metrics(api)
    name = "taskengine_http_request_duration_seconds_count"
    jobs = 'method="GET",route="/jobs/<job_id>",status='
    assert found[name, f'{jobs}"200"'] == 1
    assert found[name, f'{jobs}"404"'] == 2
    assert found[name, 'method="GET",route="none",status="404"'] == 1
    assert found[name, 'method="POST",route="/job",status="200"'] == 1


async def test_engines_do_not_share_their_meters(api):
    await api.get("/health")
    other = api.with_(meters=Meters())
    assert not [key for key in await metrics(other) if '"/health"' in (key[1] or "")]


async def test_without_a_database_who_was_known_hears_what_needs_none(api, monkeypatch):
    app = create_app(api.services).test_client(use_cookies=False)

    async def ask(client):
        return await app.get("/metrics", headers={"client": client, "api-key": KEY})

    async def away(name):
        raise StoreUnavailable(name)

    assert (await ask("other")).status_code == 200
    monkeypatch.setattr(api.store, "client", away)
    assert (await ask("demo-client")).status_code == 503
    found = read(await (await ask("other")).get_data(as_text=True))
    assert found["taskengine_database_up", None] == 0
    assert ("taskengine_instances", None) not in found


async def test_it_needs_credentials(api):
    assert (await api.request("GET", "/metrics")).status_code == 401
    assert (await api.get("/metrics", key="wrong")).status_code == 401


def test_a_histogram_counts_up_to_each_bound():
    one = Histogram("taskengine_x_seconds", "X.", (0.1, 1.0), ("of",))
    for value in (0.05, 0.1, 0.5, 7):
        one.observe(value, 'a"\\\n')
    label = r'of="a\"\\\n"'
    assert list(one.text()) == [
        "# HELP taskengine_x_seconds X.",
        "# TYPE taskengine_x_seconds histogram",
        f'taskengine_x_seconds_bucket{{{label},le="0.1"}} 2',
        f'taskengine_x_seconds_bucket{{{label},le="1"}} 3',
        f'taskengine_x_seconds_bucket{{{label},le="+Inf"}} 4',
        f"taskengine_x_seconds_sum{{{label}}} 7.65",
        f"taskengine_x_seconds_count{{{label}}} 4",
    ]


def test_a_counter_without_labels_starts_at_0():
    one = Counter("taskengine_x_total", "X.")
    assert list(one.text())[-1] == "taskengine_x_total 0"
    one.add(by=2)
    assert list(one.text())[-1] == "taskengine_x_total 2"
