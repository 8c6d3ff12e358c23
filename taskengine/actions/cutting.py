"""Cutting recorded clips into the tracks of one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

import trio

from taskengine.actions.advertising import advertising
from taskengine.actions.closed_captions import joints, with_captions
from taskengine.actions.context import Context
from taskengine.actions.described import described, timed
from taskengine.actions.inspection import SCRATCH, Inspector
from taskengine.actions.materials import bench_of
from taskengine.actions.missing import Missing
from taskengine.actions.together import together
from taskengine.capture.audio import AudioCutter
from taskengine.capture.cues import Cue, write_webvtt
from taskengine.capture.filters import Matches
from taskengine.capture.joining import Joined, Taken
from taskengine.capture.model import Fetched, SourceRefused, SourceTrack, Time
from taskengine.capture.packets import Format
from taskengine.capture.pieces import Span
from taskengine.capture.samples import appended
from taskengine.capture.showing import RecordedClip, Shown, silent
from taskengine.capture.text import TextCutter
from taskengine.capture.thumbnails import ClipImages, made_images
from taskengine.media.indexed import measured
from taskengine.media.languages import packed_language
from taskengine.media.markers import Marker
from taskengine.media.probe import probe
from taskengine.media.tiles import Tiles
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure
from taskengine.storage import Folder

PER_CHANNEL: Final = 64_000  # bits a second of sound whose source does not say


class Cut:
    """One clip, the first one by default, is the model: it says which tracks there are, and what
    their pictures are like (A75)."""

    def __init__(
        self,
        context: Context,
        accurate: bool,
        missing: Missing,
        admitted: Matches,
        keeps_times: bool = False,
        model: int = 0,
    ) -> None:
        self.context, self.accurate, self.missing = context, accurate, missing
        self.admitted = admitted  # the filter of the first clip
        self.keeps_times = keeps_times  # the source's own ones, of the first clip (A71)
        self.model = model  # the place of the clip that the others are made like
        self.bench = bench_of(context)
        self._looked: dict[int, tuple[RecordedClip, Shown]] = {}
        self._clips: list[RecordedClip] = []
        self._shown: list[Shown] = []
        self._spans: list[list[Span]] = []
        self._known: dict[str, dict[str, Format]] = {"video": {}, "audio": {}}
        self._joined: dict[str, Joined] = {}  # tracks of pictures, by file
        self.images: list[Tiles] = []  # of thumbnails, in files of the scratch folder
        self._ended = 0  # tracks

    async def tracks(self, folders: Sequence[Folder]) -> list[Track]:
        """All of the result, in files of the scratch folder."""
        await together(partial(self._look, place, folder) for place, folder in enumerate(folders))
        await self._note_gaps()
        await self.context.progress(0.3)
        wanted = self._wanted
        made = await together(partial(self._track, *one) for one in wanted.items())
        inspector = Inspector(self.context, self.context.workspace)
        keys = {file: [float(time) for time in one.keys] for file, one in self._joined.items()}
        there = [one for one in made if one is not None]
        aligned = await inspector.aligned(there, keys)
        best = next((track for track in wanted.values() if track.type == "video"), None)
        declared = best.captions if best else ()
        packets = {file: one.packets for file, one in self._joined.items()}
        return await with_captions(
            self.context, aligned, declared, self.admitted, joints(self._spans), packets
        )

    async def markers(self) -> list[Marker]:
        """Of advertising, once the tracks are made."""
        clips = list(zip(self._clips, self._shown, self._spans, strict=True))
        found, problems = await advertising(clips, self._zero or Fraction(0))
        for problem in problems:
            await self.context.warn(problem)
        return found

    async def placed(self, tracks: Sequence[Track]) -> list[Track]:
        """The tracks where later tasks find them."""
        inspector = Inspector(self.context, self.context.workspace)
        return await inspector.placed([replace(track, folder=SCRATCH) for track in tracks])

    async def _look(self, place: int, folder: Folder) -> None:
        scratch = self.context.scratch / f"clip-{place}"
        await trio.Path(scratch).mkdir(exist_ok=True)
        known = self._known["video"]
        clip = await RecordedClip.open(place, folder, self.bench, scratch, known)
        self._looked[place] = clip, await self._seen(clip)

    async def _seen(self, clip: RecordedClip) -> Shown:
        return await clip.look(accurate=self.accurate, fill=self.missing.is_filled)

    async def _note_gaps(self) -> None:
        """In the order of the clips. Raises PermanentFailure if too much is missing."""
        for _, (clip, shown) in sorted(self._looked.items()):
            for gap in shown.gaps:
                await self.context.warn(self.missing.add(clip, gap))
            self._clips.append(clip)
            self._shown.append(shown)
        self._spans = [shown.spans(self._form) for shown in self._shown]
        if self._form is not None:
            self._check_pictures()
        self.missing.check()

    def _check_pictures(self) -> None:
        for clip, shown in zip(self._clips, self._shown, strict=True):
            if shown.best is None:
                which = f"clip {self.model}" if self.model else "the first one"
                raise PermanentFailure(f"clip {clip.place} has no pictures, {which} has")

    @property
    def _wanted(self) -> Mapping[str, SourceTrack]:
        """The tracks of the result, by name."""
        return self._clips[self.model].range.tracks

    @property
    def _zero(self) -> Time | None:
        """What the times of the result begin with, if not with 0."""
        return self._shown[0].zero(self._spans[0]) if self.keeps_times else None

    def _timed(self, track: Track) -> Track:
        """With what its manifests are to say of its times."""
        zero, start = self._zero, self._spans[0][0].start
        return track if zero is None else timed(track, zero, start, self._clips[0].range)

    @property
    def _form(self) -> Format | None:
        """What pictures are like; None if there are none (A75)."""
        best = self._shown[self.model].best
        return best.format if best else None

    async def _track(self, name: str, track: SourceTrack) -> Track | None:
        """None for one that is left out."""
        made = await self._made(name, track)
        self._ended += 1
        await self.context.progress(0.3 + 0.7 * self._ended / len(self._wanted))
        return made

    async def _made(self, name: str, track: SourceTrack) -> Track | None:
        match track.type:
            case "video":
                return await self._video(name, track)
            case "audio":
                return await self._audio(name, track)
            case "text":
                return await self._text(name, track)
            case "image":
                await self._images(name, track)
                return None

    async def _leave_out(self, name: str, why: str) -> None:
        await self.context.warn(f"{name} is left out: {why}")

    async def _video(self, name: str, track: SourceTrack) -> Track | None:
        first = self._shown[self.model].renditions.get(name)
        if first is None:
            await self._leave_out(name, "there are no pictures in what was recorded of it")
            return None
        made = await together(
            partial(self._pictures, clip, shown, name, track, first.format)
            for clip, shown in zip(self._clips, self._shown, strict=True)
        )
        taken = [one for own, _ in made for one in own]
        number = sum(own for _, own in made)
        cutter = self._clips[0].cutter(f"{name}-joint")
        target = self.bench.folder / f"{name}.mp4"
        joined = await cutter.join(taken, first.format, target, number, self._zero or Fraction(0))
        self._joined[target.name] = joined
        await self._tell_encoded(name, taken)
        return await self._probed(target, track)

    async def _pictures(
        self, clip: RecordedClip, shown: Shown, name: str, track: SourceTrack, model: Format
    ) -> tuple[list[Taken], int]:
        """What makes a clip's part of a track, and how many pictures it has."""
        own = name if clip.place == self.model else clip.alike(track)
        rendition = shown.renditions.get(own or "") or next(iter(shown.renditions.values()))
        taken = await clip.cutter(name).parts_of(rendition.looked, rendition.pieces, model)
        return taken, rendition.number(model)

    async def _tell_encoded(self, name: str, taken: Sequence[Taken]) -> None:
        parts = [one.number for one in taken if not one.is_copied]
        number = sum(one.number for one in taken)
        await self.context.debug(
            f"{name}: {sum(parts)} of {number} pictures are encoded anew, in {len(parts)} parts"
        )

    async def _audio(self, name: str, track: SourceTrack) -> Track | None:
        formed = await self._sound_format(self._clips[self.model], name)
        if formed is None:
            await self._leave_out(name, "there is no sound in what was recorded of it")
            return None
        target = self.bench.folder / f"{name}.mp4"
        if await self._copied_sound(name, track, target):
            return await self._probed(target, track)
        rate, channels = int(formed.said["sample_rate"]), int(formed.said["channels"])
        parts = await together(
            partial(self._samples, clip, name, track, rate, channels) for clip in self._clips
        )
        samples = await trio.to_thread.run_sync(appended, parts)
        bitrate = track.bitrate or PER_CHANNEL * channels
        await self._audio_cutter(0, name).encode(samples, rate, channels, bitrate, target)
        return await self._probed(target, track)

    async def _copied_sound(self, name: str, track: SourceTrack, target: Path) -> bool:
        """Of a clip alone its packets can be taken as they are."""
        if len(self._clips) > 1:
            return False
        segments = await self._segments(self._clips[0], name, track)
        cutter = self._audio_cutter(0, name)
        return await cutter.copy(segments, self._spans[0], track.bitrate, target)

    async def _sound_format(self, clip: RecordedClip, name: str) -> Format | None:
        segments = clip.segments(name)
        return await self._audio_cutter(clip.place, name).format(segments) if segments else None

    def _audio_cutter(self, place: int, name: str) -> AudioCutter:
        clip, label = self._clips[place], f"clip-{place}-{name}"
        clocks, known = self._shown[place].clocks, self._known["audio"]
        language = packed_language(self._wanted[name].language)
        zero = self._zero or Fraction(0)
        return AudioCutter(self.bench, clip.assembler, label, known, clocks, zero, language)

    async def _samples(
        self, clip: RecordedClip, name: str, track: SourceTrack, rate: int, channels: int
    ) -> Path:
        spans = self._spans[clip.place]
        segments = await self._segments(clip, name, track)
        for gap in silent(segments, spans):
            missing = replace(clip.range, start=gap.start, end=gap.end).told()
            await self.context.warn(f"Clip {clip.place}, {name}: silence from {missing}")
        cutter = self._audio_cutter(clip.place, name)
        return await cutter.decode(segments, spans, rate, channels)

    async def _segments(self, clip: RecordedClip, name: str, track: SourceTrack) -> list[Fetched]:
        own = name if clip.place == self.model else clip.alike(track)
        if own is None:
            await self.context.warn(f"Clip {clip.place} has nothing for {name}")
            return []
        return clip.segments(own)

    async def _text(self, name: str, track: SourceTrack) -> Track | None:
        cues: list[Cue] = []
        styles: dict[str, None] = {}
        at = Fraction(0)
        for clip, shown, spans in zip(self._clips, self._shown, self._spans, strict=True):
            cutter = TextCutter(clip.assembler, shown.clocks, styles)
            try:
                found = await cutter.cues(await self._segments(clip, name, track), spans)
            except SourceRefused as refusal:
                await self._leave_out(name, str(refusal))
                return None
            cues += [cue.moved(at) for cue in found]
            at += sum((span.length for span in spans), Fraction(0))
        if not cues:
            await self._leave_out(name, "it says nothing in the range")
            return None
        target = self.bench.folder / f"{name}.vtt"
        await trio.Path(target).write_text(write_webvtt(cues, styles), "utf-8")
        made = Track("text", target.name, codec="webvtt", duration=float(cues[-1].end))
        return self._timed(described(made, track))

    async def _images(self, name: str, track: SourceTrack) -> None:
        clips = [
            ClipImages(own, await clip.assembler.files(own), spans)
            for clip, spans in zip(self._clips, self._spans, strict=True)
            for own in [await self._segments(clip, name, track)]
        ]
        try:
            made = await made_images(clips, self.bench.folder, name, self.context.warn)
            self.images.append(made)
        except SourceRefused as refusal:
            await self._leave_out(name, str(refusal))

    async def _probed(self, path: Path, track: SourceTrack) -> Track:
        made = self._timed((await probe(self.bench, path)).tracks[0])
        joined = self._joined.get(path.name)
        made = await trio.to_thread.run_sync(measured, made, path, joined.number if joined else 0)
        made = replace(made, file=path.name, start=0.0, indexed=self._zero is None)
        return described(made, track)
