"""Caption files to WebVTT: SubRip, Advanced SubStation Alpha or WebVTT in any usual encoding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import trio

from taskengine.media.ffmpeg import ffmpeg, refuse, source
from taskengine.media.tools import Bench
from taskengine.model import PermanentFailure
from taskengine.runtime.process import ProcessFailed

CUE: Final = re.compile(r"^[^\n]*-->", re.MULTILINE)
_TIME: Final = r"(\d{1,3}):(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_SRT_CUE: Final = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}[^\n]*\n", re.MULTILINE)
_NEXT_NUMBER: Final = re.compile(r"\n\s*\n\s*\d+\s*$|^\s*\d+\s*$")  # of the cue that follows
_MARKUP: Final = re.compile(r"</?[ibu]>", re.IGNORECASE)
_FONT: Final = re.compile(r"</?font\b[^>]*>", re.IGNORECASE)
_OVERRIDE: Final = re.compile(r"\{\\[^}]*\}")
_PLACE: Final = re.compile(r"\{[^}]*\\an?(\d{1,2})[^}]*\}")
_COLUMNS: Final = ("start", "center", "end")  # of {\an1}, {\an2}, {\an3}
_ROWS: Final = ("", "50%", "0")  # from below; WebVTT begins at the bottom


async def to_webvtt(bench: Bench, path: Path, target: Path, label: str) -> bool:
    """Convert a caption file; whether there are captions in it. PermanentFailure names it by its
    label if it cannot be read."""
    text = await trio.to_thread.run_sync(_decoded, path)
    if path.suffix == ".vtt":
        made = _checked(text, label)
    elif path.suffix == ".srt":
        made = from_subrip(text, label)
    else:
        made = await _converted(bench, path, text, target, label)
    await trio.Path(target).write_text(made, encoding="utf-8")
    return has_cues(made)


def has_cues(text: str) -> bool:
    """Whether a WebVTT file has captions; the packager takes none without."""
    return CUE.search(text) is not None


def from_subrip(text: str, label: str) -> str:
    """SubRip as WebVTT: its italics, bold and underlined text stay, other signs are text, and
    `{\\an8}` becomes a place. Raises PermanentFailure for text without one time."""
    found = list(_SRT_CUE.finditer(text))
    if text.strip() and not found:
        raise PermanentFailure(f"{label} is no caption file: there is no time of a caption in it")
    ends = [*(cue.start() for cue in found), len(text)][1:]
    texts = [text[cue.end() : end] for cue, end in zip(found, ends, strict=True)]
    texts = [*(_NEXT_NUMBER.sub("", one) for one in texts[:-1]), *texts[-1:]]
    cues = [_subrip_cue(cue, said) for cue, said in zip(found, texts, strict=True)]
    return "\n".join(["WEBVTT", "", *(line for cue in cues for line in cue)])


def _subrip_cue(cue: re.Match[str], text: str) -> Iterator[str]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        return
    start, end = _clock(*cue.groups()[:4]), _clock(*cue.groups()[4:])
    yield f"{start} --> {end}{_setting(text)}"
    yield from (_escaped(line) for line in lines)
    yield ""


def _setting(text: str) -> str:
    found = _PLACE.search(text)
    place = int(found[1]) if found else 2
    if not 1 <= place <= 9:
        return ""
    row, column = _ROWS[(place - 1) // 3], _COLUMNS[(place - 1) % 3]
    settings = ([f"line:{row}"] if row else []) + (
        [f"align:{column}"] if column != "center" else []
    )
    return "".join(f" {setting}" for setting in settings)


def _escaped(line: str) -> str:
    """Text of WebVTT, in which `<` and `&` begin something."""
    line = _OVERRIDE.sub("", _FONT.sub("", line))
    tags = _MARKUP.findall(line)
    parts = [
        part.replace("&", "&amp;").replace("<", "&lt;").replace("-->", "--&gt;")
        for part in _MARKUP.split(line)
    ]
    return parts[0] + "".join(tag.lower() + part for tag, part in zip(tags, parts[1:], strict=True))


def _clock(hours: str, minutes: str, seconds: str, fraction: str) -> str:
    return f"{int(hours):02d}:{int(minutes):02d}:{int(seconds):02d}.{fraction.ljust(3, '0')}"


def _checked(text: str, label: str) -> str:
    if re.match(r"WEBVTT(?:[ \t\n]|$)", text) is None:
        raise PermanentFailure(f"{label} is no caption file: it does not begin with WEBVTT")
    return text


async def _converted(bench: Bench, path: Path, text: str, target: Path, label: str) -> str:
    plain = target.with_name(f"{target.stem}-utf8{path.suffix.lower()}")
    await trio.Path(plain).write_text(text, encoding="utf-8")
    try:
        await ffmpeg(bench, *source(plain), "-map", "0:s:0", "-c:s", "webvtt", "-f", "webvtt",
                     f"file:{target}")  # fmt: skip
    except ProcessFailed as failure:
        refuse(failure, plain, label, "is no caption file")
    return await trio.Path(target).read_text("utf-8")


def _decoded(path: Path) -> str:
    """Old caption files are in Windows-1252, in which every byte but five means something."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
