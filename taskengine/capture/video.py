"""The pictures of a clip, cut: whole segments copied bit by bit, the ends encoded like them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

from taskengine.capture.assembly import Assembler
from taskengine.capture.clock import Statement, mapping
from taskengine.capture.model import Fetched, Time
from taskengine.capture.packed import WRAP
from taskengine.capture.packets import Format, formats, pictures
from taskengine.capture.pieces import Piece, Stretch
from taskengine.capture.splicing import Part, parts
from taskengine.media.ffmpeg import ffmpeg, ffmpeg_patiently, source
from taskengine.media.probe import OutputWrong
from taskengine.media.tools import Bench
from taskengine.model import PermanentFailure

SAME_RATE: Final = Fraction(1, 10_000)
WHOLE: Final = 1 << 62  # bytes: more than any file has
QUALITY: Final = "16"  # of the constant rate factor: as good as no difference
PROFILES: Final = {
    "Constrained Baseline": "baseline",
    "Baseline": "baseline",
    "Main": "main",
    "High": "high",
    "High 10": "high10",
    "Main 10": "main10",
}
ENCODERS: Final = {"h264": "libx264", "hevc": "libx265"}


@dataclass(frozen=True, slots=True)
class Looked:
    """A stretch of pictures with what its file is."""

    stretch: Stretch
    format: Format
    is_open: bool

    def fits(self, model: Format) -> bool:
        """Its pictures can stand beside those of the model as they are."""
        return self.format.likeness == model.likeness and self._has_rate(model)

    def number(self, piece: Piece, model: Format) -> int:
        """How many pictures a piece gives."""
        if self._has_rate(model):
            return piece.number
        return max(1, round((piece.end - piece.start) * model.frame_rate))

    def length(self, piece: Piece, model: Format) -> Time:
        """How long a piece is shown in the result."""
        if self._has_rate(model):
            return piece.end - piece.start
        return self.number(piece, model) / model.frame_rate

    def _has_rate(self, model: Format) -> bool:
        return abs(self.format.frame_rate / model.frame_rate - 1) < SAME_RATE


@dataclass(slots=True)
class VideoCutter:
    """Cuts the pictures of one track of one clip."""

    bench: Bench
    assembler: Assembler
    label: str  # of its files
    _files: int = field(default=0, init=False)

    def _path(self, suffix: str = "mp4") -> Path:
        self._files += 1
        return self.bench.folder / f"{self.label}-{self._files}.{suffix}"

    async def look(self, segments: Sequence[Fetched]) -> Looked | None:
        """Where each picture of a stretch is; None if there are none in it."""
        raw = self._path("raw")
        sizes = await self.assembler.put_together(segments, raw)
        found = [one for one in await formats(self.bench, raw) if one.is_readable]
        if not found:
            return None
        packets = await pictures(self.bench, raw, found[0], sizes)
        raw.unlink()
        candidates = [_statements(segments, times) for times in (packets.keys, packets.starts)]
        mappings = [mapping(stated) for stated in candidates if stated]
        if not mappings:
            return None
        # Packagers differ in which picture's time they state, where groups of pictures are open.
        likeliest = min(mappings, key=lambda one: len(one.steps))
        stretch = Stretch(tuple(segments), packets.pictures, likeliest)
        return Looked(stretch, found[0], packets.is_open)

    async def parts_of(
        self, looked: Sequence[Looked], pieces: Sequence[Piece], model: Format
    ) -> list[Path]:
        """Files that make all pieces, one after the other. Raises OutputWrong."""
        files = []
        for piece in pieces:
            one = looked[piece.stretch]
            files += [await self._made(one, part, model) for part in self._parts(one, piece, model)]
        return files

    async def cut(self, looked: Sequence[Looked], pieces: Sequence[Piece], target: Path) -> None:
        """All pieces as one file, like the first one. Raises OutputWrong."""
        model = looked[pieces[0].stretch].format
        files = await self.parts_of(looked, pieces, model)
        await self.join(files, model, target, sum(piece.number for piece in pieces))

    def _parts(self, one: Looked, piece: Piece, model: Format) -> list[Part]:
        if not one.fits(model):  # made to fit, picture by picture (A75)
            last = one.stretch.pictures[piece.last - 1].segment + 1
            begin = max(0, one.stretch.pictures[piece.first].segment - one.is_open)
            return [Part(piece.first, piece.last, begin, last, is_copied=False)]
        return parts(one.stretch, piece, is_open=one.is_open)

    async def _made(self, one: Looked, part: Part, model: Format) -> Path:
        raw, made = self._path("raw"), self._path()
        await self.assembler.put_together(one.stretch.segments[part.begin : part.end], raw)
        scale = ("-video_track_timescale", str(model.time_base.denominator))
        picture = f"0:{one.format.index}"
        if part.is_copied:
            arguments = [*source(raw), "-map", picture, "-c", "copy", *scale]
        else:
            shift = await self._shift(raw, one, part)
            arguments = ["-map", picture, "-an", "-vf", self._filter(one, part, model, shift)]
            arguments += [*encoder(model), "-fps_mode", "passthrough"]
            arguments = [*source(raw, "-copyts"), *arguments, *scale]
        await ffmpeg_patiently(self.bench, *arguments, f"file:{made}")
        raw.unlink()
        await self._check(made, self._number(one, part, model))
        return made

    def _number(self, one: Looked, part: Part, model: Format) -> int:
        start, end = (one.stretch.pictures[place].media for place in (part.first, part.last - 1))
        whole = Piece(0, part.first, part.last, start, end + one.stretch.length)
        return one.number(whole, model)

    async def _shift(self, raw: Path, one: Looked, part: Part) -> Time:
        """From times of the stretch's file to those of a part's: where times of MPEG-TS begin
        anew, readers go on counting, or count back, as the beginning of the file has it."""
        if one.stretch.segments[part.begin].segment.form != "ts":
            return Fraction(0)
        [found] = [x for x in await formats(self.bench, raw) if x.index == one.format.index]
        packets = await pictures(self.bench, raw, found, [0, WHOLE])
        known = min(x.media for x in one.stretch.pictures if x.segment == part.begin)
        return round((packets.pictures[0].media - known) / WRAP) * WRAP

    def _filter(self, one: Looked, part: Part, model: Format, shift: Time) -> str:
        """The wanted pictures, by times half a picture before their own."""
        base, half = one.format.time_base, one.stretch.length / 2
        low = (one.stretch.pictures[part.first].media + shift - half) / base
        high = (one.stretch.pictures[part.last - 1].media + shift + half) / base
        chosen = f"trim=start_pts={round(low)}:end_pts={round(high)},setpts=PTS-STARTPTS"
        if one.fits(model):
            return chosen
        number, rate = self._number(one, part, model), model.frame_rate
        if number != part.number:
            again = f"tpad=stop_mode=clone:stop=2,fps={rate}:start_time=0"
            chosen += f",{again},trim=end_frame={number}"
        width, height = model.said["width"], model.said["height"]
        return (
            f"{chosen},scale={width}:{height}:force_original_aspect_ratio=decrease,"
            f"pad={width}:{height}:(ow-iw)/2:(oh-ih)/2,setsar=1"
        )

    async def join(self, files: Sequence[Path], model: Format, target: Path, number: int) -> None:
        """Files of pictures like the model's, as one of so many pictures."""
        if len(files) == 1:
            files[0].rename(target)
        else:
            await self._concatenate(files, model, target)
        await self._check(target, number)

    async def _concatenate(self, files: Sequence[Path], model: Format, target: Path) -> None:
        listed = self._path("txt")
        listed.write_text("".join(f"file 'file:{path}'\n" for path in files), "utf-8")
        scale = ("-video_track_timescale", str(model.time_base.denominator))
        await ffmpeg(
            self.bench,
            *("-f", "concat", "-safe", "0", "-protocol_whitelist", "file", "-i", f"file:{listed}"),
            *("-map", "0:v:0", "-c", "copy", *scale, f"file:{target}"),
            careful=False,  # it makes decoding times of a joint increase, by a tick
        )
        for path in files:
            path.unlink()

    async def _check(self, path: Path, number: int) -> None:
        [found] = [one for one in await formats(self.bench, path) if one.type == "video"]
        packets = await pictures(self.bench, path, found, [0, WHOLE])
        if len(packets.pictures) != number:
            raise OutputWrong(
                f"{path.name} has {len(packets.pictures)} pictures instead of {number}"
            )


def _statements(segments: Sequence[Fetched], times: Sequence[Time | None]) -> list[Statement]:
    """What the manifest says of segments, and the first one's time if it says nothing."""
    return [
        Statement(media, one.start)
        for place, (one, media) in enumerate(zip(segments, times, strict=True))
        if media is not None and (one.segment.stated or place == 0)
    ]


def encoder(model: Format) -> list[str]:
    """The arguments to encode pictures like those of a stream. Raises PermanentFailure."""
    codec = ENCODERS.get(model.codec)
    if codec is None:
        raise PermanentFailure(f"pictures of {model.codec} cannot be cut to the frame")
    said = model.said
    arguments = ["-c:v", codec, "-preset", "veryfast", "-crf", QUALITY, "-bf", "3"]
    arguments += ["-pix_fmt", said.get("pix_fmt", "yuv420p"), "-flags", "+cgop"]
    if (profile := PROFILES.get(said.get("profile", ""))) and codec == "libx264":
        arguments += ["-profile:v", profile]
    if codec == "libx265":
        arguments += ["-x265-params", "log-level=error:open-gop=0", "-tag:v", "hvc1"]
        arguments += ["-a53cc", "1"]  # the captions in the pictures; libx264 keeps them by itself
    for option, name in (
        ("-color_primaries", "color_primaries"),
        ("-color_trc", "color_transfer"),
        ("-colorspace", "color_space"),
    ):
        if said.get(name) and said[name] != "unknown":
            arguments += [option, said[name]]
    return arguments
