"""Spans as OpenTelemetry has them, sent by its exporter in a thread of its own.

Ids are made of what a span is of, so that instances add to the trace of a job without asking each
other, and what is told twice is the same span.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from urllib.parse import urlsplit

import trio
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from taskengine.model import Attempt, Callback, Delivery, Ended, JobEnd, Lane, Outcome
from taskengine.traces import Traces
from taskengine.traces.session import open_session

FAREWELL = 3.0  # seconds at a stop for what was not sent yet
FAILED = frozenset({Outcome.FAILED, Outcome.RETRY, Outcome.LOST})

Attributes = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class OtlpTraces(Traces):
    """Tells a processor of spans."""

    processor: SpanProcessor
    service: str
    instance: str
    resource: Resource = field(init=False)

    def __post_init__(self) -> None:
        said = {"service.name": self.service, "service.instance.id": self.instance}
        object.__setattr__(self, "resource", Resource(said))

    def job_ended(self, end: JobEnd, at: datetime) -> None:
        own = self._job(end.id)
        said = {"client": end.client, "workflow": end.workflow}
        error = "the job has failed" if end.failed else None
        self._tell(f"job {end.workflow}", own, None, at, end.seconds, said, error)

    def attempt_ended(self, attempt: Attempt, end: Ended, seconds: float) -> None:
        task, fence = attempt.task, attempt.fence
        said: dict[str, str | int] = {
            "client": attempt.job.client,
            "workflow": attempt.job.workflow,
            "task": task.name,
            "action": task.action,
            "queue": task.queue,
            "attempt": fence.attempt,
            "outcome": end.outcome.value,
        }
        error = end.error or end.outcome.value if end.outcome in FAILED else None
        own = self._part(fence.job_id, "task", fence.task_id, fence.attempt)
        self._tell(task.name, own, self._job(fence.job_id), end.at, seconds, said, error)

    def callback_tried(
        self, lane: Lane, callback: Callback, delivery: Delivery, seconds: float
    ) -> None:
        said: dict[str, str | int] = {
            "event": callback.event,
            "attempt": callback.attempts + 1,
            "server.address": _host(lane.url),
        }
        if delivery.status is not None:
            said["http.response.status_code"] = delivery.status
        error = None if delivery.delivered else delivery.error or f"status {delivery.status}"
        own, of = self._try(lane, callback), self._job(lane.job_id)
        name = f"callback {callback.event}"
        self._tell(name, own, of, delivery.at, seconds, said, error, SpanKind.CLIENT)

    def headers(self, lane: Lane, callback: Callback) -> Mapping[str, str]:
        own = self._try(lane, callback)
        return {"traceparent": f"00-{own.trace_id:032x}-{own.span_id:016x}-01"}

    def _job(self, job_id: int) -> SpanContext:
        return self._part(job_id, "job")

    def _try(self, lane: Lane, callback: Callback) -> SpanContext:
        return self._part(lane.job_id, "callback", callback.webhook_id, callback.attempts)

    def _part(self, job_id: int, *of: object) -> SpanContext:
        trace, span = _id(16, self.service, job_id), _id(8, self.service, job_id, *of)
        return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(1))

    def _tell(
        self,
        name: str,
        own: SpanContext,
        of: SpanContext | None,
        at: datetime,
        seconds: float,
        said: Attributes,
        error: str | None,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> None:
        ended = round(at.timestamp() * 1e9)
        span = ReadableSpan(
            name,
            context=own,
            parent=of,
            kind=kind,
            resource=self.resource,
            attributes=_named(said),
            status=Status(StatusCode.UNSET) if error is None else Status(StatusCode.ERROR, error),
            start_time=ended - round(max(seconds, 0.0) * 1e9),
            end_time=ended,
        )
        self.processor.on_end(span)


def _named(said: Attributes) -> Attributes:
    """Names that are no convention of OpenTelemetry's get the product's before them."""
    return {name if "." in name else f"taskengine.{name}": value for name, value in said.items()}


def _host(url: str) -> str:
    """Without what may be secret in a URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _id(octets: int, *of: object) -> int:
    """Never 0, which OpenTelemetry takes for none."""
    digest = blake2b("\0".join(map(str, of)).encode(), digest_size=octets).digest()
    return int.from_bytes(digest, "big") or 1


@asynccontextmanager
async def exporting(url: str, service: str, instance: str) -> AsyncIterator[OtlpTraces]:
    """Send spans to a receiver for the length of the block. One that is away costs the engine
    nothing: what does not find room in the exporter's queue is dropped."""
    processor = BatchSpanProcessor(OTLPSpanExporter(url, session=open_session()))
    try:
        yield OtlpTraces(processor, service, instance)
    finally:
        with trio.move_on_after(FAREWELL, shield=True):
            await trio.to_thread.run_sync(processor.shutdown, abandon_on_cancel=True)
