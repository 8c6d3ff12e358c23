"""How many requests each client may send; without credentials, each address."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from math import ceil

import trio
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import TooManyRequests

from taskengine.api.errors import answer
from taskengine.api.request_log import remote_address
from taskengine.httpd.places import network_of

BURST = 2.0  # seconds of the rate that may come at once
MAX_BUCKETS = 10_000  # of each kind: about 2 MB


class Buckets:
    """Token buckets by name. Of each only the time is kept at which it is full again."""

    def __init__(
        self, rate: float, clock: Callable[[], float] = trio.current_time, burst: float = BURST
    ) -> None:
        self._rate = rate  # tokens per second; 0: no limit
        self._burst = burst  # seconds
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # the latest used last

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: str) -> float:
        """Take a token; 0, or the seconds until there is one."""
        if not self._rate:
            return 0
        now, token = self._clock(), 1 / self._rate
        full_at = max(self._full_at.pop(name, now), now) + token
        wait = full_at - now - max(self._burst, token)
        refused = wait > 1e-9
        self._full_at[name] = full_at - token if refused else full_at
        self._forget(now)
        return wait if refused else 0

    def _forget(self, now: float) -> None:
        """Drop what is full again, and what a flood of names leaves no room for."""
        while len(self._full_at) > 1:
            oldest = next(iter(self._full_at))
            if self._full_at[oldest] > now and len(self._full_at) <= MAX_BUCKETS:
                return
            del self._full_at[oldest]


class RequestLimits:
    """Clients apart from addresses, so that a flood of the latter forgets none of the former."""

    def __init__(self, rate: float = 0, clock: Callable[[], float] = trio.current_time) -> None:
        self.clients = Buckets(rate, clock)
        self.addresses = Buckets(rate, clock)

    def count_client(self, name: str) -> None:
        """Raises TooManyRequests. To be called once the client is known for sure."""
        _check(self.clients.take(name))

    def count_address(self) -> None:
        """Raises TooManyRequests for the address of the request."""
        _check(self.addresses.take(network_of(remote_address())))


def _check(wait: float) -> None:
    if wait:
        raise TooManyRequests("too many requests", retry_after=ceil(wait))


def limit(
    app: QuartTrio, limits: RequestLimits, counted: Collection[str], free: Collection[str]
) -> None:
    """Count what comes without credentials. The endpoints in `counted` ask for some, and then
    auth.caller() counts; what they refuse counts for the address. Nothing counts in `free`."""

    async def before() -> None:
        if request.endpoint not in counted and request.endpoint not in free:
            limits.count_address()

    async def after(response: Response) -> Response:
        if response.status_code != 401:
            return response
        try:
            limits.count_address()
        except TooManyRequests as refusal:
            return answer(refusal)
        return response

    app.before_request(before)
    app.after_request(after)
