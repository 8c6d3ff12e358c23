"""A real engine that sends traces to a receiver, as OpenTelemetry's exporter does."""

import gzip

import trio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.receivers import serve_requests
from tests.support.serving import ended_job, post_job, serving


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self):
        self.paths, self.spans = [], []

    async def answer(self, request, body):
        self.paths.append(request.target.decode())
        content = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        for of_resource in ExportTraceServiceRequest.FromString(content).resource_spans:
            for scope in of_resource.scope_spans:
                self.spans += scope.spans
        return 200


async def test_an_engine_that_stops_has_told_of_its_jobs(tmp_path):
    collector = Collector()
    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        handler = lambda stream: serve_requests(collector.answer, stream)  # noqa: E731
        nursery.start_soon(trio.serve_listeners, handler, [listener])
        port = listener.socket.getsockname()[1]
        told = {"traces_url": f"http://127.0.0.1:{port}/v1/traces", "redis_url": "none"}
        async with serving(tmp_path / "var", **told) as (_, client):
            await ended_job(client, await post_job(client, "noop"))
        nursery.cancel_scope.cancel()
    assert set(collector.paths) == {"/v1/traces"}
    [job] = [one for one in collector.spans if one.name == "job noop"]
    [task] = [one for one in collector.spans if one.parent_span_id == job.span_id]
    assert task.trace_id == job.trace_id
    assert 0 < task.start_time_unix_nano <= task.end_time_unix_nano
