"""What an asset is made of, as the task that selects hands it to those that package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taskengine.archive.chapters import Chapter
from taskengine.archive.index import Placed
from taskengine.archive.segments import parse_segment
from taskengine.archive.selection import ArchivedSpan
from taskengine.media.markers import Marker


@dataclass(frozen=True, slots=True)
class PlannedSpan:
    """`capture_id` names the archive that its segments lie in."""

    capture_id: str
    span: ArchivedSpan


@dataclass(frozen=True, slots=True)
class AssetPlan:
    """`tracks` are by name what is known of each, as for Track(**…), the deciding one first."""

    tracks: Mapping[str, Mapping[str, Any]]
    spans: Sequence[PlannedSpan]
    markers: Sequence[Marker]

    def to_json(self) -> dict[str, Any]:
        return {
            "tracks": {name: dict(about) for name, about in self.tracks.items()},
            "spans": [_told(one) for one in self.spans],
            "markers": [one.to_json() for one in self.markers],
        }

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> AssetPlan:
        markers = [Marker.of_json(one) for one in said["markers"]]
        return cls(said["tracks"], [_read(one) for one in said["spans"]], markers)


def _told(one: PlannedSpan) -> dict[str, Any]:
    rows = {
        name: [[chapter.number, segment.file, segment.size] for chapter, segment in own]
        for name, own in one.span.segments.items()
    }
    return {"capture_id": one.capture_id, "segments": rows}


def _read(said: Mapping[str, Any]) -> PlannedSpan:
    rows = {name: [_placed(*one) for one in own] for name, own in said["segments"].items()}
    return PlannedSpan(said["capture_id"], ArchivedSpan(rows))


def _placed(number: int, file: str, size: int) -> Placed:
    segment = parse_segment(file, size)
    assert segment is not None
    return Chapter(number), segment
