"""Alerter: tells the installation's webhooks of what people should look at."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import trio

from taskengine.actors.wiring import Wiring
from taskengine.alerts import AlertReceivers
from taskengine.messages import Alert
from taskengine.model import JsonObject, PermanentFailure
from taskengine.outbound import RequestFailed, exchange
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Mailbox
from taskengine.times import format_time

logger = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two messages: what happens meanwhile is told together
MOST = 100  # alerts in a message
SHOWN = 10  # of them in its text
TRIES = 3
DEADLINE = 5.0  # seconds for a try
MAX_ANSWER = 1_000  # octets that are read
MAX_IDLE = 3600.0


@dataclass(slots=True)
class Alerter:
    receivers: AlertReceivers
    name: str  # of the instance
    now: Now

    @classmethod
    def of(cls, wiring: Wiring) -> Alerter | None:
        resources = wiring.resources
        if resources.alerts is None:
            return None
        return cls(resources.alerts, wiring.options.name, resources.now)

    async def run(self, mailbox: Mailbox[Alert]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                batch = await mailbox.collect(MAX_IDLE, MOST)
                if batch:
                    message = self._message([one.message for one in batch])
                    async with trio.open_nursery() as nursery:
                        for url in self.receivers.urls:
                            nursery.start_soon(self._send, url, message)
                    await trio.sleep(PAUSE)

    def _message(self, alerts: Sequence[Alert]) -> JsonObject:
        lines = [alert.text for alert in alerts[:SHOWN]]
        if more := len(alerts) - len(lines):
            lines.append(f"and {more} more")
        return {
            "text": "\n".join(lines),
            "time": format_time(self.now()),
            "instance": self.name,
            "alerts": [asdict(alert) for alert in alerts],
        }

    async def _send(self, url: str, message: JsonObject) -> None:
        """A receiver that cannot be told is named by its host: the rest of a URL may be secret."""
        http, host = self.receivers.http, urlsplit(url).hostname
        told, problem = f"alerts to {host}", ""
        for _ in range(TRIES):
            try:
                request = http.build_request("POST", url, json=message)
                response, _ = await exchange(
                    http, request, told=told, seconds=DEADLINE, limit=MAX_ANSWER
                )
                if response.is_success:
                    return
                problem = f"{told}: status {response.status_code}"
            except (RequestFailed, PermanentFailure) as failure:
                problem = str(failure)
            await trio.sleep(PAUSE)
        logger.warning("not told: %s", problem)
