"""Rounds of lanes: hosts that answer quickly have many lanes claimed at once, and so have those
that refuse connections quickly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from taskengine.model import Delivery, Lane
from taskengine.runtime.recent import Recent
from taskengine.store.completion import PER_HOST, host_of

QUICK = 0.05  # seconds for a delivery
MAX_KEPT = 1_000  # hosts


@dataclass(frozen=True, slots=True)
class Round:
    """Lanes to one host that are served one after the other."""

    lanes: Sequence[Lane]

    @property
    def url(self) -> str:
        return self.lanes[0].url


def rounds_of(lanes: Sequence[Lane]) -> Sequence[Round]:
    """Each host's, dealt out to as many as are served at once."""
    by_host: dict[str, list[Lane]] = defaultdict(list)
    for lane in lanes:
        by_host[host_of(lane.url)].append(lane)
    dealt = (own[first::PER_HOST] for own in by_host.values() for first in range(PER_HOST))
    return [Round(part) for part in dealt if part]


@dataclass(slots=True)
class QuickHosts:
    """Those that took their last lane without a failure, or refused it, and in no time."""

    _known: Recent[str, bool] = field(default_factory=lambda: Recent(MAX_KEPT), init=False)

    @property
    def hosts(self) -> Collection[str]:
        return list(self._known)

    def learn(self, url: str, deliveries: Sequence[Delivery], seconds: float) -> bool:
        """What a lane met, in so many seconds; whether its host is quick."""
        host = host_of(url)
        self._known.forget(host)
        is_good = bool(deliveries) and (deliveries[-1].delivered or deliveries[-1].refused)
        if not is_good or seconds > QUICK * len(deliveries):
            return False
        self._known.keep(host, True)
        return True
