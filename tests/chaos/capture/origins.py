"""Two live origins of one stream: away for a while, answering errors, cutting bodies, stalling.

What each of them never has is known beforehand; what else they refuse, they give later.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import h11
import trio

from tests.capture.origin import Answered, LiveTrack, next_request
from tests.capture.packaged_origin import PackagedOrigin

Fate = Literal["whole", "error", "cut", "stall", "away"]
REFUSED = 2  # times that a segment is refused by chance
SHORTEST = 8.0  # seconds for which a segment has to be there to be had, whatever is refused


@dataclass(frozen=True, slots=True)
class Host:
    """Times are seconds of the stream; `lost` are segments that it never gives whole."""

    name: str
    manifest: str
    away: tuple[float, float]
    lost: dict[tuple[str, int], Fate]


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer to a request for media: `size` bytes of its body went out."""

    host: str
    path: str
    size: int
    is_whole: bool


@dataclass(slots=True)
class Origins:
    """`chances` are of a request for a segment to be refused; manifests are refused less often."""

    origin: PackagedOrigin
    hosts: Mapping[str, Host]
    seed: int
    chances: Mapping[Fate, float]
    stall: float = 25.0  # seconds
    sent: list[Sent] = field(default_factory=list)
    fates: Counter[Fate] = field(default_factory=Counter)
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def serve(self, host: str, stream: trio.SocketStream) -> None:
        """Answer the requests of a connection."""
        connection = h11.Connection(h11.SERVER)
        try:
            async with stream:
                while (request := await next_request(stream, connection)) is not None:
                    path = self.origin.numbered(request.target.decode())
                    now = Fraction(time.time())
                    fate = self.fate(host, path, float(now - self.origin.began))
                    self.fates[fate] += 1
                    if not await self._answer(stream, connection, host, path, fate):
                        return
        except (h11.ProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
            return

    def fate(self, name: str, path: str, now: float) -> Fate:
        host = self.hosts[name]
        if host.away[0] <= now < host.away[1]:
            return "away"
        segment = _segment(path)
        if segment in host.lost:
            return host.lost[segment]
        number = self._asked[name, path]
        self._asked[name, path] += 1
        if segment is not None and number >= REFUSED:
            return "whole"
        dice = random.Random(f"{self.seed}/{name}/{path}/{number}").random()
        for fate, chance in self.chances.items():
            dice -= chance if segment is not None else chance / 3
            if dice < 0:
                return fate
        return "whole"

    async def _answer(
        self,
        stream: trio.SocketStream,
        connection: h11.Connection,
        host: str,
        path: str,
        fate: Fate,
    ) -> bool:
        """Whether the connection can be used again."""
        if fate == "away":
            return False
        found = self.origin.answer(path, Fraction(time.time()))
        if fate == "error":
            found = Answered(503, b"")
        headers = [("content-length", str(len(found.body))), ("content-type", found.type)]
        head = h11.Response(status_code=found.status, headers=headers)
        body = found.body if fate in ("whole", "error") else found.body[: len(found.body) // 2]
        await stream.send_all((connection.send(head) or b"") + body)
        if found.status == 200 and _segment(path) is not None:
            self.sent.append(Sent(host, path, len(body), fate == "whole"))
        if fate == "stall":
            await trio.sleep(self.stall)
        if fate in ("cut", "stall"):
            return False
        connection.send(h11.Data(data=body))
        connection.send(h11.EndOfMessage())
        connection.start_next_cycle()
        return True

    def missing(self, track: LiveTrack) -> set[int]:
        """The segments that no origin has at any time."""
        numbers = range(1, len(track.durations) + 1)
        return {number for number in numbers if self.there(track, number) <= 0}

    def there(self, track: LiveTrack, number: int) -> float:
        """For how many seconds an origin has a segment without a break, at most."""
        end = float(sum(track.durations[:number]))
        last = end + float(self.origin.window)
        found = 0.0
        for host in self.hosts.values():
            if (track.name, number) not in host.lost:
                before = min(last, host.away[0]) - end
                after = last - max(end, host.away[1])
                found = max(found, before, after)
        return found

    def spare(self) -> None:
        """No segment is there for so short that chance decides whether it is had."""
        for track in self.origin.tracks:
            for number in range(1, len(track.durations) + 1):
                if 0 < self.there(track, number) < SHORTEST:
                    for host in self.hosts.values():
                        host.lost.pop((track.name, number), None)


def _segment(path: str) -> tuple[str, int] | None:
    """Track and number of a segment; None for anything else."""
    track, _, file = path.lstrip("/").partition("/")
    number = file.partition(".")[0]
    return (track, int(number)) if number.isdigit() else None
