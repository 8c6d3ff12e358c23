"""Running ffmpeg on files that strangers made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NoReturn

from taskengine.media.tools import Bench
from taskengine.model import PermanentFailure
from taskengine.runtime.process import OnLine, ProcessFailed

OnProgress = Callable[[float], Awaitable[None]]

# Playlists, concat scripts and images are no sources: they name other files.
FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,"
    "aac,ac3,eac3,mp3,wav,flac,ogg,srt,webvtt,ass"
)
SAFE_INPUT: Final = (
    *("-max_pixels", "35389440"),  # 8192 by 4320; a small file may claim far more
    *("-protocol_whitelist", "file"),
    *("-format_whitelist", FORMATS),
)
CAREFUL: Final = ("-xerror", "-err_detect", "explode")  # otherwise damage ends with code 0
QUIET: Final = ("-nostdin", "-hide_banner", "-loglevel", "error", "-nostats", "-y")
KILLED: Final = frozenset({126, 127, 128 + 9, 128 + 15, 255})  # 255: ffmpeg after SIGTERM
CHATTER: Final = ("Svt[info]", "Task finished")  # no reasons
SHORTAGES: Final = ("No space left", "Cannot allocate memory", "Input/output error")
FRAGMENTED: Final = (  # output whose samples fragments.py finds
    *("-movflags", "frag_keyframe+empty_moov+delay_moov+default_base_moof"),
    *("-f", "mp4"),
)
PROGRESS: Final = ("-progress", "pipe:1", "-stats_period", "0.5")


def source(path: Path, *options: str) -> list[str]:
    """The arguments that open a file; options apply to it alone."""
    return [*options, "-max_streams", "64", *SAFE_INPUT, "-i", f"file:{path}"]


async def ffmpeg(
    bench: Bench,
    *arguments: str,
    duration: float = 0.0,
    on_progress: OnProgress | None = None,
    careful: bool = True,
) -> None:
    """Run ffmpeg; `duration` is that of the output, for the progress. Raises ProcessFailed."""
    command = [bench.tools.ffmpeg, *QUIET, *(CAREFUL if careful else ())]
    if on_progress is None or duration <= 0:
        await bench.run([*command, *arguments])
    else:
        on_line = _progress(duration, on_progress)
        await bench.run([*command, *PROGRESS, *arguments], on_line=on_line)


async def ffmpeg_patiently(bench: Bench, *arguments: str) -> None:
    """The same; what is damaged is taken as it is, and the caller looks at what came out.

    Streams of MPEG-TS that are joined count as damaged, and so does the first group of pictures
    where it refers to one that is not there.
    """
    try:
        await ffmpeg(bench, *arguments)
    except ProcessFailed:
        await ffmpeg(bench, *arguments, careful=False)


async def check_whole(bench: Bench, path: Path, label: str) -> None:
    """Read every packet of a file; a truncated one is refused by its label."""
    try:
        await ffmpeg(bench, *source(path), "-map", "0:V?", "-map", "0:a?", "-c", "copy",
                     "-f", "null", "-")  # fmt: skip
    except ProcessFailed as failure:
        refuse(failure, path, label, "is damaged")


def refuse(failure: ProcessFailed, path: Path, label: str, what: str) -> NoReturn:
    """Blame the file for good, unless the disk was full or the process killed: then another try may
    do better."""
    if is_shortage(failure):
        raise failure
    raise PermanentFailure(f"{label} {what}: {reason(failure, path, label)}") from None


def is_shortage(failure: ProcessFailed) -> bool:
    """Whether the machine is to blame: another try may do better."""
    is_killed = failure.returncode < 0 or failure.returncode in KILLED
    return is_killed or any(text in failure.stderr_tail for text in SHORTAGES)


def reason(failure: ProcessFailed, path: Path, label: str) -> str:
    """The last thing a tool said, with the file's own name in it."""
    lines = failure.stderr_tail.strip().splitlines() or [f"code {failure.returncode}"]
    said = next((line for line in lines if not any(text in line for text in CHATTER)), lines[-1])
    return said.split("] ")[-1].replace(f"file:{path}", label).replace(str(path), label)


def _progress(duration: float, on_progress: OnProgress) -> OnLine:
    async def on_line(line: str) -> None:
        key, _, value = line.partition("=")
        if key == "out_time_us" and value.strip().isdigit():  # may be N/A or negative
            await on_progress(min(1.0, int(value) / 1e6 / duration))

    return on_line
