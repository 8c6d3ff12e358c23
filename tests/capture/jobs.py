"""The tasks that record and cut a clip, run on an origin that is asked directly."""

from __future__ import annotations

from dataclasses import dataclass
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


async def captured(tmp_path: Path, answer, clips, attempt=1, **more) -> Result:
    """`answer` is a function of a path."""

    def respond(request: httpx.Request) -> httpx.Response:
        found = answer(request.url.path)
        return httpx.Response(found.status, content=found.body)

    lines = []
    for name, given in (
        ("capture.record", {"clips": clips}),
        ("capture.cut", {"recording": "recording", "clips": len(clips), "drm": ["clear"], **more}),
    ):
        number = len(lines) and 1
        context, journal = fake_context(
            tmp_path, task=name, number=number, attempt=attempt, answer=respond
        )
        said = await ACTIONS[name](context, given)
        lines += journal.lines or [(Severity.DEBUG, "")]
    tracks: dict[str, list[Path]] = {}
    for track in said["tracks"]:
        path = tmp_path / f"{track['type']}-{len(tracks.get(track['type'], []))}.mp4"
        await context.workspace.below(track["folder"]).fetch(track["file"], path)
        tracks.setdefault(track["type"], []).append(path)
    told = [text for severity, text in lines if severity >= Severity.WARN]
    return Result(tracks, said["gaps"], told)
