"""Alerts: what the people of an installation should look at, told to webhooks of its own.

A message has `text`, as the chat services' webhooks take it, and `alerts` for programs. It may be
lost: metrics and the log have what matters.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from taskengine.outbound import open_outbound
from taskengine.texts import listed
from taskengine.workflows.formats import is_http_url

ANYWHERE = ("0.0.0.0/0", "::/0")  # operators name these receivers, clients do not


class AlertsSettings(BaseModel):
    """Who is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: tuple[SecretStr, ...] = Field(
        default=(),
        description="webhooks that hear of failed jobs, callbacks given up, dead instances",
    )

    @field_validator("urls", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return listed(value) if isinstance(value, str) else value

    @field_validator("urls")
    @classmethod
    def _http(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(is_http_url(one.get_secret_value()) for one in value):
            raise ValueError("expected http or https URLs, with a host and no blanks")
        return value


@dataclass(frozen=True, slots=True)
class AlertReceivers:
    """Whom alerts are sent to, and by which client."""

    urls: Sequence[str]
    http: httpx.AsyncClient


@asynccontextmanager
async def open_alerts(settings: AlertsSettings) -> AsyncIterator[AlertReceivers | None]:
    """The receivers for the length of the block; None where there are none."""
    if not settings.urls:
        yield None
        return
    async with open_outbound(ANYWHERE) as http:
        yield AlertReceivers([one.get_secret_value() for one in settings.urls], http)
