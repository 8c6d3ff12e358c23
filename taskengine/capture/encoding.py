"""The arguments to encode pictures like those of a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

from taskengine.capture.packets import Format
from taskengine.model import PermanentFailure

QUALITY: Final = "16"  # of the constant rate factor: as good as no difference
AHEAD: Final = "rc-lookahead=4"  # pictures that an encoder holds back; each takes memory
GROUP: Final = 2  # seconds from one keyframe to the next
LARGE: Final = 500_000  # pixels of a picture
LARGE_ONES: Final = trio.CapacityLimiter(1)  # encoders of such pictures: one takes 120 MB for 1080p
PROFILES: Final = {
    "Constrained Baseline": "baseline",
    "Baseline": "baseline",
    "Main": "main",
    "High": "high",
    "High 10": "high10",
    "Main 10": "main10",
}
ENCODERS: Final = {"h264": "libx264", "hevc": "libx265"}


def encoder(model: Format) -> list[str]:
    """The arguments to encode pictures like those of a stream. Raises PermanentFailure."""
    codec = ENCODERS.get(model.codec)
    if codec is None:
        raise PermanentFailure(f"pictures of {model.codec} cannot be cut to the frame")
    said = model.said
    # Pictures that are shown out of order would be held back, at 12 MB each of 1080 lines.
    arguments = ["-c:v", codec, "-preset", "veryfast", "-crf", QUALITY, "-bf", "0"]
    arguments += ["-pix_fmt", said.get("pix_fmt", "yuv420p"), "-flags", "+cgop"]
    if codec == "libx264":
        arguments += ["-x264-params", f"{AHEAD}:{_groups(model)}"]
        if profile := PROFILES.get(said.get("profile", "")):
            arguments += ["-profile:v", profile]
    if codec == "libx265":
        arguments += ["-x265-params", f"log-level=error:open-gop=0:{AHEAD}:{_groups(model)}"]
        arguments += ["-tag:v", "hvc1"]
        arguments += ["-a53cc", "1"]  # the captions in the pictures; libx264 keeps them by itself
    for option, name in (
        ("-color_primaries", "color_primaries"),
        ("-color_trc", "color_transfer"),
        ("-colorspace", "color_space"),
    ):
        if said.get(name) and said[name] != "unknown":
            arguments += [option, said[name]]
    return arguments


def _groups(model: Format) -> str:
    """Keyframes at the same pictures in all renditions, whatever these show: players switch there,
    and begin there after a jump."""
    length = max(1, round(GROUP * model.frame_rate))
    return f"keyint={length}:min-keyint={length}:scenecut=0"


@asynccontextmanager
async def turn_of(model: Format) -> AsyncIterator[None]:
    """For the length of an encoding: of large pictures one at a time, in all jobs."""
    if int(model.said.get("width", 0)) * int(model.said.get("height", 0)) < LARGE:
        yield
        return
    async with LARGE_ONES:
        yield
