"""The pictures of a clip, cut: whole groups copied bit by bit, the ends encoded like them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.clock import mapping
from taskengine.capture.encoding import encoder, turn_of
from taskengine.capture.joining import Joined, Joiner, Taken
from taskengine.capture.looked import Looked, blank_number
from taskengine.capture.model import Fetched, Time
from taskengine.capture.packed import WRAP
from taskengine.capture.packets import Format, Packets, formats, pictures
from taskengine.capture.pieces import Piece, Stretch
from taskengine.capture.reading import TrackReader, statements
from taskengine.capture.splicing import Part, parts, parts_by_group
from taskengine.media.ffmpeg import FRAGMENTED, ffmpeg, ffmpeg_patiently, refuse, source
from taskengine.media.fragments import Header, read_file_header, read_header, read_samples
from taskengine.media.movie import MovieTrack
from taskengine.media.parameter_sets import parameter_sets
from taskengine.media.probe import OutputWrong
from taskengine.runtime.process import ProcessFailed

FEW: Final = 300  # pictures that one thread encodes: each takes memory, and parts go side by side
WHOLE: Final = 1 << 62  # bytes: more than any file has


@dataclass(slots=True)
class VideoCutter(TrackReader):
    """Cuts the pictures of one track of one clip."""

    telling = 2

    has_unreadable: bool = field(default=False, init=False)  # pictures that no decoder takes

    async def _own(self, raw: Path) -> list[Format]:
        """The streams of pictures that a decoder takes."""
        every = [one for one in await formats(self.bench, raw) if one.type == "video"]
        found = [one for one in every if one.is_readable]
        self.has_unreadable |= len(found) < len(every)
        return found

    async def look(self, segments: Sequence[Fetched]) -> Looked | None:
        """Where each picture of a stretch is; None if there are none in it."""
        header, late = await self._header(segments), Fraction(0)
        looked = await self._read(segments, header) if header is not None else None
        if looked is None:
            first = await self._first(segments, header) if header is not None else None
            header, looked = None, await self._probe(segments)
            if looked is not None and first is not None:
                late = looked[1].pictures[0].media - first
        if looked is None:
            return None
        form, packets = looked
        candidates = [statements(segments, times) for times in (packets.keys, packets.starts)]
        mappings = [mapping(stated) for stated in candidates if stated]
        if not mappings:
            return None
        # Packagers differ in which picture's time they state, where groups of pictures are open.
        likeliest = min(mappings, key=lambda one: len(one.steps))
        stretch = Stretch(tuple(segments), packets.pictures, likeliest)
        return Looked(stretch, form, packets.is_open, header, late)

    async def _first(self, segments: Sequence[Fetched], header: Header) -> Time | None:
        """When the first picture is shown as the file says it: where one is shown before it is
        decoded, tools count from the one that is decoded first. None if that is not known."""
        files = await self.assembler.files(segments[:1])
        try:
            samples = await trio.to_thread.run_sync(read_samples, files[0], header)
        except ValueError:
            return None
        return Fraction(min(samples.shown), header.scale) if samples else None

    async def _header(self, segments: Sequence[Fetched]) -> Header | None:
        """None if these are no fragments that can be read here."""
        init = await self._initialization(segments)
        if init is None:
            return None
        try:
            header = read_header(init, b"vide")
            parameter_sets(header.description)  # it may have to be put beside others
            return header
        except ValueError:
            return None

    async def _read(
        self, segments: Sequence[Fetched], header: Header
    ) -> tuple[Format, Packets] | None:
        """By the heads of fragments; None if tools have to look at it."""
        packets = await self._packets(segments, header)
        if packets is None or not packets.pictures:
            return None
        form = await self.format(segments)
        return (form, packets) if form is not None else None

    async def _probe(self, segments: Sequence[Fetched]) -> tuple[Format, Packets] | None:
        """By tools that read all of it."""
        raw = self._path("raw")
        sizes = await self.assembler.put_together(segments, raw)
        found = await self._own(raw)
        packets = await pictures(self.bench, raw, found[0], sizes) if found else None
        raw.unlink()
        return (found[0], packets) if packets is not None and packets.pictures else None

    async def parts_of(
        self, looked: Sequence[Looked], pieces: Sequence[Piece], model: Format
    ) -> list[Taken]:
        """What makes all pieces, one after the other."""
        taken = []
        for piece in pieces:
            if piece.is_blank:
                taken.append(await self._blank(piece, model))
                continue
            one = looked[piece.stretch]
            taken += [
                await self._taken(one, part, model) for part in self._parts(one, piece, model)
            ]
        return taken

    async def cut(
        self,
        looked: Sequence[Looked],
        pieces: Sequence[Piece],
        target: Path,
        zero: Time | None = None,
    ) -> Joined:
        """All pieces as one file, like the first one. Raises OutputWrong."""
        model = looked[pieces[0].stretch].format
        taken = await self.parts_of(looked, pieces, model)
        return await self.join(taken, model, target, sum(piece.number for piece in pieces), zero)

    def _parts(self, one: Looked, piece: Piece, model: Format) -> list[Part]:
        if not one.fits(model):  # made to fit, picture by picture (A75)
            last = one.stretch.pictures[piece.last - 1].segment + 1
            begin = max(0, one.stretch.pictures[piece.first].segment - one.is_open)
            return [Part(piece.first, piece.last, begin, last, is_copied=False)]
        split = parts if one.header is None else parts_by_group
        return split(one.stretch, piece, is_open=one.is_open)

    async def _taken(self, one: Looked, part: Part, model: Format) -> Taken:
        segments, length = (
            one.stretch.segments[part.begin : part.end],
            self._length(one, part, model),
        )
        if part.is_copied and one.header is not None:
            low, high = _bounds(one, part)
            files = await self.assembler.files(segments)
            return Taken(files, one.header, length, part.number, low, high)
        raw, made = self._path("raw"), self._path("mp4")
        await self.assembler.put_together(segments, raw)
        if part.is_copied:
            copying = [*source(raw), *_mapped(one), "-c", "copy"]
            await ffmpeg_patiently(self.bench, *copying, *FRAGMENTED, f"file:{made}")
        else:
            await self._encode(raw, one, part, model, made)
        raw.unlink()
        header = await trio.to_thread.run_sync(read_file_header, made, b"vide")
        number = self._number(one, part, model)
        return Taken((made,), header, length, number, is_copied=part.is_copied, is_kept=False)

    async def _encode(self, raw: Path, one: Looked, part: Part, model: Format, made: Path) -> None:
        """A part's pictures, like those of the model."""
        shift = await self._shift(raw, one, part)
        arguments = [*_mapped(one), "-an", "-vf", self._filter(one, part, model, shift)]
        arguments += [*encoder(model), "-fps_mode", "passthrough"]
        arguments += ["-video_track_timescale", str(model.time_base.denominator)]
        threads = ("-threads", "1") if part.number <= FEW else ()
        arguments = [*source(raw, "-copyts", *threads), *arguments, *threads]
        async with turn_of(model):
            await ffmpeg_patiently(self.bench, *arguments, *FRAGMENTED, f"file:{made}")

    async def _blank(self, piece: Piece, model: Format) -> Taken:
        """Black pictures like the model's for what nobody had."""
        made, number = self._path("mp4"), blank_number(piece, model)
        size = f"{model.said['width']}x{model.said['height']}"
        picture = f"color=black:s={size}:r={model.frame_rate}"
        arguments = ["-f", "lavfi", "-i", picture, "-frames:v", str(number), *encoder(model)]
        scale = ("-video_track_timescale", str(model.time_base.denominator))
        async with turn_of(model):
            await ffmpeg(self.bench, *arguments, *scale, *FRAGMENTED, f"file:{made}")
        header = await trio.to_thread.run_sync(read_file_header, made, b"vide")
        length = piece.end - piece.start
        return Taken((made,), header, length, number, is_copied=False, is_kept=False)

    def _number(self, one: Looked, part: Part, model: Format) -> int:
        return one.number(self._whole(one, part), model)

    def _length(self, one: Looked, part: Part, model: Format) -> Time:
        return one.length(self._whole(one, part), model)

    def _whole(self, one: Looked, part: Part) -> Piece:
        """The pictures of a part, on the media's own clock."""
        shown = one.stretch.pictures
        start, end = shown[part.first].media, shown[part.last - 1].media + one.stretch.length
        return Piece(0, part.first, part.last, start, end)

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

    async def show(self, one: Looked, part: Part, shape: str, target: Path) -> None:
        """The pictures of a part as they are seen, raw in RGB; `shape` is a filter that sizes
        them. What is damaged is left out. Raises PermanentFailure for what has no decoder."""
        raw = self._path("raw")
        await self.assembler.put_together(one.stretch.segments[part.begin : part.end], raw)
        chain = f"{self._filter(one, part, one.format, await self._shift(raw, one, part))},{shape}"
        arguments = [*source(raw, "-copyts"), *_mapped(one), "-an", "-vf", chain]
        arguments += ["-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo"]
        try:
            await ffmpeg_patiently(self.bench, *arguments, f"file:{target}")
        except ProcessFailed as failure:
            refuse(failure, raw, f"a picture of {one.format.codec}", "cannot be decoded")
        raw.unlink()

    async def join(
        self,
        taken: Sequence[Taken],
        model: Format,
        target: Path,
        number: int,
        zero: Time | None = None,
    ) -> Joined:
        """All of so many pictures as one file, whose first time is `zero`; times of what was made
        count from there. Raises OutputWrong."""
        most = max(taken, key=lambda one: one.number)  # its description needs no change
        width, height = (int(model.said.get(name, 0)) for name in ("width", "height"))
        track = MovieTrack(
            b"vide", model.time_base.denominator, most.header.description, width, height
        )
        joiner = Joiner(track, zero=zero)
        found = await trio.to_thread.run_sync(joiner.join, taken, target)
        for one in taken:
            for path in one.files if not one.is_kept else ():
                path.unlink()
        if found != number:
            raise OutputWrong(f"{target.name} has {found} pictures instead of {number}")
        packets = await trio.to_thread.run_sync(joiner.packets, target)
        return Joined(joiner.key_times(packets), packets)


def _mapped(one: Looked) -> tuple[str, str]:
    return "-map", f"0:{one.format.index}"


def _bounds(one: Looked, part: Part) -> tuple[int, int | None]:
    """From when to when a part's pictures are shown, in ticks of the file."""
    assert one.header is not None
    shown, scale = one.stretch.pictures, one.header.scale
    after = shown[part.last].media if part.last < len(shown) else None
    return int(shown[part.first].media * scale), None if after is None else int(after * scale)
