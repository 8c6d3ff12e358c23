"""Jobs as traces of OpenTelemetry, on virtual time."""

import sys
from functools import partial

import httpx
import pytest
import trio
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from taskengine.model import Misconfigured
from taskengine.store.memory import MemoryStore
from taskengine.testing import virtual
from taskengine.testing.virtual import actions_with, instance, workflow
from taskengine.traces import TracesSettings, open_traces
from taskengine.traces.otlp import OtlpTraces

FLOW = workflow("first", ("second", "test.flaky", {"retries": 1, "retry_delay": 5}))
URL = "http://user:secret@hooks.example/here?token=secret"


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter, monkeypatch):
    traces = OtlpTraces(SimpleSpanProcessor(exporter), "films", "test")
    monkeypatch.setattr(virtual, "Resources", partial(virtual.Resources, traces=traces))
    return traces


async def run(exporter, *, status=200):
    """One job, whose second task takes 2 s and fails at first; its spans, and the headers heard."""
    tries, heard = [], []

    async def flaky(context):
        tries.append(context)
        await trio.sleep(2)
        if len(tries) == 1:
            raise ValueError("the disk is full")
        return {}

    def receive(request):
        heard.append(request.headers["traceparent"])
        return httpx.Response(status)

    http = httpx.AsyncClient(transport=httpx.MockTransport(receive))
    async with instance(MemoryStore(), actions=actions_with(flaky=flaky), http=http) as engine:
        await engine.submit(FLOW, urls=[URL])
        await trio.sleep(60)
    return exporter.get_finished_spans(), heard


def named(spans, name):
    return [one for one in spans if one.name == name]


async def test_a_job_is_a_trace_of_its_attempts_and_callbacks(autojump_clock, traces, exporter):
    spans, _ = await run(exporter)
    [job] = named(spans, "job job")
    assert job.parent is None
    assert job.attributes == {"taskengine.client": "acme", "taskengine.workflow": "job"}
    assert {one.context.trace_id for one in spans} == {job.context.trace_id}
    assert len({one.context.span_id for one in spans}) == len(spans)
    assert {one.parent.span_id for one in spans if one is not job} == {job.context.span_id}
    first, again = named(spans, "second")
    assert (first.status.status_code, again.status.status_code) == (
        StatusCode.ERROR,
        StatusCode.UNSET,
    )
    assert "the disk is full" in first.status.description
    assert [one.attributes["taskengine.attempt"] for one in (first, again)] == [1, 2]
    assert [one.attributes["taskengine.outcome"] for one in (first, again)] == [
        "retry",
        "completed",
    ]
    assert [one.end_time - one.start_time for one in (first, again)] == [2 * 10**9] * 2
    assert again.start_time - first.end_time >= 5 * 10**9
    assert first.resource.attributes["service.name"] == "films"


async def test_receivers_are_told_of_the_trace(autojump_clock, traces, exporter):
    spans, heard = await run(exporter)
    calls = [one for one in spans if one.kind is SpanKind.CLIENT]
    told = [f"00-{one.context.trace_id:032x}-{one.context.span_id:016x}-01" for one in calls]
    assert told == heard
    assert [one.name for one in calls][-1] == "callback end"
    assert calls[0].attributes["server.address"] == "hooks.example"
    assert calls[0].attributes["http.response.status_code"] == 200


async def test_a_refused_callback_is_an_error_and_shows_no_secret(autojump_clock, traces, exporter):
    spans, _ = await run(exporter, status=500)
    refused = [one for one in spans if one.kind is SpanKind.CLIENT]
    assert {one.status.description for one in refused} == {"status 500"}
    assert len({one.context.span_id for one in refused}) == len(refused) > 1
    assert "secret" not in "".join(one.to_json() for one in spans)


async def test_without_a_receiver_nothing_is_loaded_and_nobody_told():
    async with open_traces(TracesSettings(), "test") as traces:
        assert type(traces).__name__ == "Traces"


async def test_packages_that_are_missing_are_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "taskengine.traces.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    settings = TracesSettings(url="http://127.0.0.1:9/v1/traces")
    with pytest.raises(Misconfigured, match=r"traces.url: .* pip install 'taskengine\[traces\]'"):
        async with open_traces(settings, "test"):
            pass
