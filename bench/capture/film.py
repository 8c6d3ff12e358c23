"""A stream of any length, made of copies of one short film: its pictures say their number, its
sound beeps at each second. Copies differ in their times alone."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from taskengine.media.boxes import boxes
from taskengine.media.sample import BITS, SAMPLES, wave
from taskengine.media.tools import bundled_tools

LOOP = 32  # seconds; 1,500 packets of sound
SEGMENT = 4  # seconds, of pictures
SOUND_SEGMENT = Fraction(16, 5)  # seconds; 150 packets
RATE = 25
PRIMING = 1024  # samples that an encoder puts first
BASE = 1_000  # seconds on the media's clock when it begins
BEEP = wave(1000)
BAR = "geq=lum='if(mod(floor(N/pow(2,floor(X))),2),235,16)':cb=128:cr=128"


@dataclass(frozen=True, slots=True)
class Rendition:
    """A track of the stream: files `init.mp4`, `0.m4s`, … in the folder of its name."""

    name: str
    bitrate: int
    durations: tuple[Fraction, ...]  # of the segments of one loop, seconds
    early: Fraction  # seconds by which the first packet's decoding time is before the first picture
    lines: int = 0

    def segments(self, seconds: Fraction) -> Iterator[tuple[int, Fraction, Fraction]]:
        """Number, start and duration of each in so many seconds."""
        number, at = 0, Fraction(0)
        while at < seconds:
            duration = self.durations[number % len(self.durations)]
            yield number, at, duration
            number, at = number + 1, at + duration


def ffmpeg(*arguments: object) -> bytes:
    quiet = (bundled_tools().ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-y")
    command = [*quiet, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def make_film(
    folder: Path, lines: int, *, rate: int = RATE, options: Sequence[str] = ()
) -> tuple[Rendition, ...]:
    """One loop: two renditions and sound."""
    width = lines * 16 // 9 // 16 * 16
    small = lines * 2 // 3 // 2 * 2
    bitrates = (lines * lines * 2, lines * lines)
    shown = (
        f"testsrc2=s={width}x{lines}:r={rate}:d={LOOP},format=yuv420p[a];"
        f"nullsrc=s={BITS}x2:r={rate}:d={LOOP},format=yuv420p,{BAR},"
        f"scale={width}:{lines // 12 // 2 * 2}:flags=neighbor[b];[a][b]overlay=0:0,split[v][w];"
        f"[w]scale=-2:{small}[w]"
    )
    coded = ["-c:v", "libx264", "-preset", "veryfast", "-g", 2 * rate, "-keyint_min", 2 * rate]
    coded += ["-sc_threshold", 0, "-flags", "+cgop", *options]
    parted = ["-f", "hls", "-hls_time", SEGMENT, "-hls_segment_type", "fmp4", "-hls_list_size", 0]
    arguments: list[object] = ["-filter_complex", shown]
    for name, bitrate in zip("vw", bitrates, strict=True):
        (folder / name).mkdir(parents=True)
        arguments += ["-map", f"[{name}]", *coded, "-b:v", bitrate, *parted]
        arguments += ["-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename"]
        arguments += [folder / name / "%d.m4s", folder / name / "list.m3u8"]
    ffmpeg(*arguments)
    even = (Fraction(SEGMENT),) * (LOOP // SEGMENT)
    pictures = [
        Rendition(name, bitrate, even, _delay(folder / name), height)
        for name, bitrate, height in zip("vw", bitrates, (lines, small), strict=True)
    ]
    return (*pictures, _make_sound(folder / "a"))


def _make_sound(folder: Path) -> Rendition:
    folder.mkdir(parents=True)
    whole = folder / "whole.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", f"aevalsrc='{BEEP}|{BEEP}':s={SAMPLES}:d={LOOP + SEGMENT}"),
        *("-c:a", "aac", "-b:a", "128k", "-frag_duration", int(SOUND_SEGMENT * 1_000_000)),
        *("-movflags", "empty_moov+default_base_moof", whole),
    )
    data = whole.read_bytes()
    moofs = [start - 8 for kind, start, _ in boxes(data) if kind == b"moof"]
    (folder / "init.mp4").write_bytes(data[: moofs[0]])
    number = int(LOOP / SOUND_SEGMENT)
    lengths = []
    for place, (start, end) in enumerate(pairwise(moofs[: number + 1])):
        (folder / f"{place}.m4s").write_bytes(data[start:end])
        lengths.append(Fraction(_samples(data[start:end]) * 1024, SAMPLES))
    assert sum(lengths) == LOOP, lengths
    return Rendition("a", 128_000, tuple(lengths), Fraction(PRIMING, SAMPLES))


def _delay(folder: Path) -> Fraction:
    """Seconds from a segment's first decoding time to its first picture."""
    whole = folder / "whole.mp4"
    whole.write_bytes((folder / "init.mp4").read_bytes() + (folder / "0.m4s").read_bytes())
    shown = ("-select_streams", "v:0", "-show_entries", "packet=pts,dts:stream=time_base")
    command = [bundled_tools().ffprobe, "-v", "error", *shown, "-of", "json", str(whole)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    times = [(packet["pts"], packet["dts"]) for packet in said["packets"]]
    first, begins = min(pts for pts, _ in times), min(dts for _, dts in times)
    return (first - begins) * Fraction(said["streams"][0]["time_base"])


def _samples(segment: bytes) -> int:
    place = segment.index(b"trun")
    return int(struct.unpack_from(">I", segment, place + 8)[0])


def lengthen(folder: Path, tracks: Sequence[Rendition], seconds: Fraction) -> int:
    """Segments for so many seconds in place of those of a loop; their bytes."""
    size = 0
    for track in tracks:
        own = folder / track.name
        loop = [(own / f"{n}.m4s").read_bytes() for n in range(len(track.durations))]
        scale = _scale((own / "init.mp4").read_bytes())
        for number, at, _ in track.segments(seconds):
            data = bytearray(loop[number % len(loop)])
            _set_time(data, round((BASE + at - track.early) * scale))
            (own / f"{number}.m4s").write_bytes(data)
            size += len(data)
    return size


def _scale(init: bytes) -> int:
    place = init.index(b"mdhd") + 4
    return int(struct.unpack_from(">I", init, place + (20 if init[place] else 12))[0])


def _set_time(data: bytearray, time: int) -> None:
    """In `tfdt`; an index before the fragment would say another time, and is made free space."""
    place = data.index(b"tfdt") + 4
    struct.pack_into(">Q" if data[place] else ">I", data, place + 4, time)
    if (index := data.find(b"sidx", 0, place)) >= 0:
        data[index : index + 4] = b"free"
