"""What a channel is to hold, worked out of a job's clips: names, sources, programs, ad breaks.

Names are made from what they stand for, so that every attempt, and the workflow that switches a
channel, finds the same resources again; those of two clients never meet.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from taskengine.media.thumbnail import seconds
from taskengine.model import JsonObject

GROUP = "hls"  # of sources and the channel's output, which find each other by it
MANIFEST = "index"  # the name of the live playlist, without .m3u8


@dataclass(frozen=True, slots=True)
class VodSource:
    """An HLS playlist at an origin. `location` names the origin."""

    location: str
    origin: str  # scheme, host and port
    name: str
    path: str

    @property
    def packages(self) -> list[dict[str, str]]:
        return [{"Path": self.path, "SourceGroup": GROUP, "Type": "HLS"}]


@dataclass(frozen=True, slots=True)
class AdBreak:
    """An ad break: a slate, so many milliseconds after the program's beginning."""

    offset: int
    slate: VodSource


@dataclass(frozen=True, slots=True)
class Program:
    """A clip of the loop."""

    name: str
    source: VodSource
    breaks: tuple[AdBreak, ...]


@dataclass(frozen=True, slots=True)
class Lineup:
    programs: tuple[Program, ...]

    @property
    def sources(self) -> list[VodSource]:
        """Each one once, in the order of their first use."""
        used = (
            one
            for program in self.programs
            for one in (program.source, *(pause.slate for pause in program.breaks))
        )
        return list(dict.fromkeys(used))

    @property
    def origins(self) -> dict[str, str]:
        """Of its sources, by location."""
        return {one.location: one.origin for one in self.sources}


def channel_name(client: str, content_id: str) -> str:
    """Of a client's channel: readable, and another one for each client and content id."""
    return f"{_slug(content_id)}-{_digest(client, content_id)}"


def program_name(job_id: int, place: int) -> str:
    """Of a job's program: later jobs have greater numbers, by which the newest lineup is known."""
    return f"{job_id}-{place:04d}"


def job_of(program: str) -> int | None:
    """Which job made a program; None: no job of ours."""
    found = re.fullmatch(r"([0-9]{1,18})-[0-9]{4,}", program)
    return int(found[1]) if found else None


def lineup_of(job_id: int, client: str, clips: Sequence[JsonObject]) -> Lineup:
    """Raises PermanentFailure for a position that is none."""
    return Lineup(
        tuple(
            Program(
                program_name(job_id, place),
                vod_source(client, str(clip["source"])),
                tuple(sorted(_breaks(client, clip), key=lambda one: one.offset)),
            )
            for place, clip in enumerate(clips)
        )
    )


def _breaks(client: str, clip: Any) -> Iterator[AdBreak]:
    markers = clip.get("markers") or {}
    for event in markers.get("meta_events") or ():
        offset = round(1000 * seconds(event.get("presentation_time", "00:00:00")))
        yield AdBreak(offset, vod_source(client, event["slate"]))


def vod_source(client: str, url: str) -> VodSource:
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    stem = parts.path.rpartition("/")[2].removesuffix(".m3u8")
    return VodSource(
        f"{_slug(parts.hostname or '')}-{_digest(client, origin)}",
        origin,
        f"{_slug(stem)}-{_digest(client, url)}",
        path,
    )


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:40] or "x"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
