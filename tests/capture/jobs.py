"""The tasks that record and cut a clip, run on an origin that is asked directly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from taskengine.actions import find_actions
from taskengine.model import JsonObject, Severity
from taskengine.testing.actions import fake_context

ACTIONS = find_actions()


@dataclass(frozen=True, slots=True)
class Result:
    """`tracks` are files by type, the best first."""

    tracks: dict[str, list[Path]]
    gaps: list[JsonObject]
    warnings: list[str]


async def captured(tmp_path: Path, answer, clips, **more) -> Result:
    """`answer` is a function of a path."""
    warnings = await recorded(tmp_path, answer, clips)
    result = await cut(tmp_path, len(clips), **more)
    return replace(result, warnings=[*warnings, *result.warnings])


async def recorded(tmp_path: Path, answer, clips) -> list[str]:
    """Its warnings."""

    def respond(request: httpx.Request) -> httpx.Response:
        found = answer(request.url.path)
        return httpx.Response(found.status, content=found.body)

    context, journal = fake_context(tmp_path, task="capture", number=0, answer=respond)
    await ACTIONS["capture.record"](context, {"clips": clips})
    return _warnings(journal)


async def cut(tmp_path: Path, clips: int = 1, attempt: int = 1, **more) -> Result:
    context, journal = fake_context(tmp_path, task="cut", number=1, attempt=attempt)
    given = {"recording": "recording", "clips": clips, "drm": ["clear"], **more}
    said = await ACTIONS["capture.cut"](context, given)
    tracks: dict[str, list[Path]] = {}
    for track in said["tracks"]:
        number = len(tracks.get(track["type"], []))
        path = context.scratch / f"{track['type']}-{number}-made.mp4"
        await context.workspace.below(track["folder"]).fetch(track["file"], path)
        tracks.setdefault(track["type"], []).append(path)
    return Result(tracks, said["gaps"], _warnings(journal))


def _warnings(journal) -> list[str]:
    return [text for severity, text in journal.lines if severity >= Severity.WARN]
