"""What is in a media file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import trio

from taskengine.media.ffmpeg import SAFE_INPUT, refuse
from taskengine.media.layout import PLAIN, Layout, layout_of
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track, TrackType
from taskengine.model import PermanentFailure
from taskengine.runtime.process import ProcessFailed

TYPES: Final[dict[str, TrackType]] = {"video": "video", "audio": "audio", "subtitle": "text"}
SLACK: Final = 0.5  # seconds by which a step may change a duration: frames, priming samples
FROM_ZERO: Final = frozenset({"mov", "matroska"})  # whose duration counts from 0, not the start
KINDS: Final = {  # of sound, by what the file says of its purpose
    "comment": "commentary", "visual_impaired": "main-desc", "descriptions": "main-desc",
    "dub": "translation",
}  # fmt: skip
ENCRYPTED: Final = frozenset({"encv", "enca"})  # ISO/IEC 14496-12, 8.12
ROLES: Final = {"forced": "forced-subtitle", "hearing_impaired": "caption", "captions": "caption"}
HANDLERS: Final = re.compile(  # names that programs give to any track
    r"|.*(handle|core media|iso media|produced by|mainconcept|gpac).*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class ProbedStream:
    """A track as it is in the file, with what decides whether it can stay so."""

    track: Track
    pixel_format: str = ""
    transfer: str = ""  # of its colours, as ffmpeg names it
    rotated: bool = False
    timed: bool = True  # it states a duration of its own; else the container's stands for it
    layout: Layout = PLAIN


@dataclass(frozen=True, slots=True)
class Media:
    """A media file. `family` is the container as ffmpeg names it, its first name; `duration` counts
    from its first picture or sound, which is at `zero`; `begins` is what the container says of
    that."""

    family: str
    duration: float
    streams: tuple[ProbedStream, ...]
    accepted: bool = True  # by the packager's parser
    zero: float = 0.0  # seconds
    begins: float = 0.0
    left_out: tuple[str, ...] = ()  # streams that are not among its streams, and why
    is_encrypted: bool = False  # one of its streams at least

    @property
    def tracks(self) -> list[Track]:
        return [stream.track for stream in self.streams]


async def probe(bench: Bench, path: Path, label: str | None = None) -> Media:
    """Look into a file; PermanentFailure names it by its label if it is no media."""
    label = label or path.name
    if (await trio.Path(path).stat()).st_size == 0:
        raise PermanentFailure(f"{label} is empty")
    shown = ("-show_format", "-show_programs", "-show_streams", "-show_data", "-of", "json")
    command = [bench.tools.ffprobe, "-v", "error", *SAFE_INPUT, *shown, "-i", f"file:{path}"]
    try:
        said = json.loads(await bench.run(command))
    except ProcessFailed as failure:
        refuse(failure, path, label, "is no media file")
    return _media(said, path)


async def probe_source(bench: Bench, path: Path, label: str) -> Media:
    """Look closer, to see what the packager would make of the file."""
    media = await probe(bench, path, label)
    if media.family != "mov":
        return media
    streams = [await _looked(path, stream) for stream in media.streams]
    return replace(media, streams=tuple(streams), accepted=await is_accepted(bench, path))


async def _looked(path: Path, stream: ProbedStream) -> ProbedStream:
    kind = stream.track.type
    if kind == "text":
        return stream
    layout = await trio.to_thread.run_sync(layout_of, path, stream.track.stream, kind)
    return replace(stream, layout=layout)


async def is_accepted(bench: Bench, path: Path) -> bool:
    """Whether the packager understands the file's header."""
    try:
        await bench.run([bench.tools.packager, "--quiet", "--dump_stream_info", f"in={path.name}"])
    except ProcessFailed:
        return False
    return True


async def expect_duration(bench: Bench, path: Path, planned: float) -> None:
    """Check what a step made: tools end with code 0 on half a file."""
    check_duration((await probe(bench, path)).duration, planned)


def check_duration(made: float, planned: float, *, at_least: bool = False) -> None:
    """Seconds that were made and planned; `at_least`: it may last longer. Raises OutputWrong."""
    missing, slack = planned - made, max(SLACK, planned * 0.002)
    if planned and (missing > slack or (-missing > slack and not at_least)):
        raise OutputWrong(f"it lasts {made:.3f} s instead of {planned:.3f} s")


class OutputWrong(Exception):
    """A tool ended well and made something else than planned."""


def _media(said: dict[str, Any], path: Path) -> Media:
    form = said.get("format", {})
    family = str(form.get("format_name", "")).split(",")[0]
    wanted, left_out = _chosen(said, family)
    begins = _number(form.get("start_time"))
    starts = [
        _number(stream.get("start_time")) for stream in wanted if stream["codec_type"] != "subtitle"
    ]
    zero = min(starts, default=begins)
    duration = _number(form.get("duration"))
    lasts = duration - zero if family in FROM_ZERO else duration
    streams = tuple(_stream(stream, form, path.name, zero) for stream in wanted)
    return Media(
        family,
        max(0.0, lasts),
        streams,
        zero=zero,
        begins=begins,
        left_out=tuple(left_out),
        is_encrypted=any(
            stream.get("codec_tag_string") in ENCRYPTED for stream in said.get("streams", [])
        ),
    )


def _chosen(said: dict[str, Any], family: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The streams of one programme, and in containers that have no renditions one of pictures."""
    found = [
        stream
        for stream in said.get("streams", [])
        if stream.get("codec_type") in TYPES and not _disposed(stream, "attached_pic")
    ]
    videos = [stream for stream in found if stream["codec_type"] == "video"]
    if not videos or family == "mov":
        return found, []
    best = max(videos, key=lambda one: (_disposed(one, "default"), _pixels(one), -one["index"]))
    others = _programme_without(said, best)
    kept = [s for s in found if s["index"] not in others and (s is best or s not in videos)]
    left_out = [
        f"stream {stream['index']} ({stream['codec_type']}) is left out: "
        + ("it is of another programme" if stream["index"] in others
           else f"the pictures are those of stream {best['index']}")
        for stream in found
        if stream not in kept
    ]  # fmt: skip
    return kept, left_out


def _programme_without(said: dict[str, Any], best: dict[str, Any]) -> set[int]:
    """The streams of programmes that the best pictures are not in."""
    programmes = [
        {stream["index"] for stream in programme.get("streams", [])}
        for programme in said.get("programs", [])
    ]
    own = set().union(*(one for one in programmes if best["index"] in one))
    return set().union(*programmes) - own if own else set()


def _disposed(stream: dict[str, Any], name: str) -> bool:
    return bool(stream.get("disposition", {}).get(name))


def _pixels(stream: dict[str, Any]) -> int:
    return int(stream.get("width", 0)) * int(stream.get("height", 0))


def _stream(said: dict[str, Any], form: dict[str, Any], file: str, zero: float) -> ProbedStream:
    tags = {key.lower(): value for key, value in said.get("tags", {}).items()}
    kind, start = TYPES[said["codec_type"]], _number(said.get("start_time"))
    own = _number(said.get("duration"))
    if not own:  # Matroska's tag says when it ends, in files of most programs
        own = max(0.0, _clock(tags.get("duration", "")) - start)
    rate = _number(said.get("bit_rate") or tags.get("bps"))
    if not rate and kind != "text":
        rate = _number(form.get("bit_rate"))
    sides = said.get("side_data_list", [])
    turned = next((r for side in sides if (r := int(_number(side.get("rotation"))) % 360)), 0)
    width, height = int(said.get("width", 0)), int(said.get("height", 0))
    track = Track(
        type=kind,
        file=file,
        stream=int(said["index"]),
        codec=said.get("codec_name", ""),
        private=_hexadecimal(said.get("extradata", "")),
        language=tags.get("language") or "und",
        bitrate=int(rate),
        start=max(0.0, start - zero),
        duration=own or _number(form.get("duration")),
        width=height if turned % 180 else width,
        height=width if turned % 180 else height,
        frame_rate=_ratio(said.get("avg_frame_rate", "0/0")),
        channels=int(said.get("channels", 0)),
        sample_rate=int(said.get("sample_rate", 0)),
        kind=_first(KINDS, said) if kind == "audio" else "",
        role=(_first(ROLES, said) or "subtitle") if kind == "text" else "",
        description=_title(tags) if kind != "video" else "",
        preferred=_disposed(said, "default"),
    )
    transfer = said.get("color_transfer", "")
    return ProbedStream(track, said.get("pix_fmt", ""), transfer, turned != 0, timed=own > 0)


def _first(names: dict[str, str], said: dict[str, Any]) -> str:
    return next((value for name, value in names.items() if _disposed(said, name)), "")


def _title(tags: dict[str, str]) -> str:
    """What the file calls a track; programs that have no name for one write their own."""
    title = tags.get("title") or tags.get("handler_name") or ""
    return "" if HANDLERS.fullmatch(title) else title.strip()


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _clock(value: str) -> float:
    """Seconds of `hh:mm:ss.fraction`, as Matroska's tags have it."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", value)
    if match is None:
        return 0.0
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _ratio(value: str) -> float:
    above, _, below = value.partition("/")
    return round(_number(above) / _number(below), 3) if _number(below) else 0.0


def _hexadecimal(dump: str) -> str:
    """The bytes of ffprobe's dump: lines of an offset, groups of digits, two spaces and text."""
    rows = re.findall(r"^[0-9a-f]{8}: (.{39})", dump, re.MULTILINE)
    return "".join(rows).replace(" ", "")
