"""Traces of jobs, for OpenTelemetry: a job is a trace, its attempts and the tries of its callbacks
are spans, told as they end.

Off unless a receiver is configured. The extra `traces` brings OpenTelemetry, which otlp.py alone
loads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from taskengine.model import Attempt, Callback, Delivery, Ended, JobEnd, Lane, Misconfigured
from taskengine.workflows.formats import is_http_url

EXAMPLE = "http://127.0.0.1:4318/v1/traces"


class TracesSettings(BaseModel):
    """Where traces go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr | None = Field(
        default=None, description=f"that takes OTLP over HTTP, as in {EXAMPLE}; unset: no traces"
    )
    service: str = Field(
        default="taskengine", min_length=1, description="this installation's name in traces"
    )

    @field_validator("url")
    @classmethod
    def _http(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not is_http_url(value.get_secret_value()):
            raise ValueError(f"expected an http or https URL, as in {EXAMPLE}")
        return value


class Traces:
    """What is told of what has ended. This one tells nobody."""

    def job_ended(self, end: JobEnd, at: datetime) -> None:
        """The last task of a job has ended."""

    def attempt_ended(self, attempt: Attempt, end: Ended, seconds: float) -> None:
        """An attempt has ended, which took so long."""

    def callback_tried(
        self, lane: Lane, callback: Callback, delivery: Delivery, seconds: float
    ) -> None:
        """A callback was delivered or not, and how long that took."""

    def headers(self, lane: Lane, callback: Callback) -> Mapping[str, str]:
        """By which a receiver's own spans become part of the trace."""
        return {}


@asynccontextmanager
async def open_traces(settings: TracesSettings, instance: str) -> AsyncIterator[Traces]:
    """Traces for the length of the block, of an instance with this name. Raises Misconfigured."""
    if settings.url is None:
        yield Traces()
        return
    try:
        from taskengine.traces.otlp import exporting
    except ImportError:
        raise Misconfigured(
            "traces.url: needs packages that are not installed: pip install 'taskengine[traces]'"
        ) from None
    async with exporting(settings.url.get_secret_value(), settings.service, instance) as traces:
        yield traces
