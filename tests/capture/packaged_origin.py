"""A live origin that serves one stream in every packaging."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from xml.sax.saxutils import quoteattr

from tests.capture.origin import TYPES, Answered, LiveOrigin, LiveTrack
from tests.capture.packagings import SmoothTrack, make_packed, make_smooth, make_transport

MANIFESTS = {
    "HLS with CMAF": "master.m3u8",
    "HLS with MPEG-TS": "ts.m3u8",
    "HLS with packed sound": "packed.m3u8",
    "DASH with a timeline and numbers": "live.mpd",
    "DASH with times": "time.mpd",
    "DASH with equal numbers": "number.mpd",
    "Smooth Streaming": "one.isml/Manifest",
}
SECOND = 10_000_000  # ticks, of Smooth Streaming
SCALE = 1_000_000  # of MPDs


@dataclass(slots=True)
class PackagedOrigin(LiveOrigin):
    """Adds `/ts.m3u8`, `/packed.m3u8`, `/time.mpd`, `/number.mpd` and `/one.isml/Manifest`."""

    muxed: LiveTrack | None = None
    pictures: LiveTrack | None = None  # of `packed.m3u8`
    packed: LiveTrack | None = None
    smooth: tuple[SmoothTrack, ...] = ()

    def __post_init__(self) -> None:
        LiveOrigin.__post_init__(self)
        extra = [one for one in (self.muxed, self.pictures, self.packed) if one is not None]
        for track in extra:
            self._starts[track.name] = list(accumulate(track.durations, initial=Fraction(0)))

    def answer(self, path: str, now: Fraction) -> Answered:
        path = path.partition("?")[0].lstrip("/")
        extra = [one for one in (self.muxed, self.pictures, self.packed) if one is not None]
        match path.split("/"):
            case ["ts.m3u8"] | ["packed.m3u8"]:
                return Answered(200, self._transport_master(path).encode(), TYPES["m3u8"])
            case ["time.mpd"] | ["number.mpd"]:
                return Answered(200, self._other_mpd(path, now).encode(), TYPES["mpd"])
            case ["one.isml", "Manifest"]:
                return Answered(200, self._manifest(now).encode(), "text/xml")
            case ["one.isml", level, chunk]:
                return self._fragment(level, chunk, now)
            case [name] if name in {f"{one.name}.m3u8" for one in extra}:
                [track] = [one for one in extra if name == f"{one.name}.m3u8"]
                return Answered(200, self._playlist(track, now).encode(), TYPES["m3u8"])
            case [name, file] if name in {one.name for one in extra}:
                [track] = [one for one in extra if one.name == name]
                return self._file(track, file, now)
        return LiveOrigin.answer(self, self.numbered(path), now)

    def numbered(self, path: str) -> str:
        """The path of a segment by its number, of one by its time; any other path as it is."""
        parts = path.lstrip("/").split("/")
        if len(parts) != 3 or parts[1] != "time":
            return path
        name, _, file = parts
        starts = [round(start * SCALE) for start in self._starts[name]]
        time, suffix = int(file.partition(".")[0]), file.partition(".")[2]
        number = starts.index(time) + 1 if time in starts else 0
        return f"/{name}/{number}.{suffix}"

    def _transport_master(self, path: str) -> str:
        muxed, packed = self.muxed, self.packed
        assert muxed is not None
        assert packed is not None
        lines = ["#EXTM3U"]
        said = f"BANDWIDTH={muxed.bitrate},RESOLUTION={muxed.width}x{muxed.height}"
        if path == "ts.m3u8":
            lines += [f'#EXT-X-STREAM-INF:{said},CODECS="{muxed.codecs}"', f"{muxed.name}.m3u8"]
            return "\n".join(lines) + "\n"
        assert self.pictures is not None
        lines += [
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="{packed.name}",DEFAULT=YES,'
            f'LANGUAGE="{packed.language}",URI="{packed.name}.m3u8"',
            f'#EXT-X-STREAM-INF:{said},CODECS="{muxed.codecs}",AUDIO="a"',
            f"{self.pictures.name}.m3u8",
        ]
        return "\n".join(lines) + "\n"

    def _other_mpd(self, path: str, now: Fraction) -> str:
        """`time.mpd` names segments by their times, `number.mpd` says one length for all."""
        text = self._mpd(now)
        if path == "time.mpd":
            text = re.sub(r' startNumber="\d+"', "", text)
            return text.replace("$Number$", "time/$Time$")
        head, *sets = text.split("<SegmentTimeline>")
        length = f' duration="{round(self.tracks[0].durations[0] * SCALE)}">'
        rest = [one.partition("</SegmentTimeline>")[2] for one in sets]
        text = "".join([head, *rest])
        for track in self.tracks:
            start = f' startNumber="{self.offered(track, now).start}"'
            text = text.replace(start, ' startNumber="1"')
        depth = f'timeShiftBufferDepth="PT{float(self.window)}S" minBufferTime'
        text = text.replace("minBufferTime", depth)
        return text.replace('.m4s">', f'.m4s"{length}')

    # Smooth Streaming

    def _ticks(self, start: int) -> int:
        """The time that is told for a fragment, of one in the files."""
        zero = min(one.starts[0] for one in self.smooth if one.stream["Type"] == "video")
        return round(self.began * SECOND) + start - zero

    def _chunks(self, track: SmoothTrack, now: Fraction) -> Iterator[tuple[int, int]]:
        end, oldest = now * SECOND, (now - self.window) * SECOND
        for start, duration in zip(track.starts, track.durations, strict=True):
            if oldest < self._ticks(start) + duration <= end:
                yield self._ticks(start), duration

    def _manifest(self, now: Fraction) -> str:
        by_kind: dict[str, list[SmoothTrack]] = {}
        for track in self.smooth:
            by_kind.setdefault(track.stream["Type"], []).append(track)
        streams = "".join(self._stream_index(own, now) for own in by_kind.values())
        is_over = now > self.began + sum(self.tracks[0].durations) + 2
        live = "" if is_over else ' IsLive="TRUE" LookAheadFragmentCount="0"'
        return (
            f'<SmoothStreamingMedia MajorVersion="2" MinorVersion="0" Duration="0"{live}>'
            f"{streams}</SmoothStreamingMedia>"
        )

    def _stream_index(self, tracks: list[SmoothTrack], now: Fraction) -> str:
        chunks = "".join(f'<c t="{t}" d="{d}"/>' for t, d in self._chunks(tracks[0], now))
        levels = "".join(f"<QualityLevel {_written(one.level)}/>" for one in tracks)
        return f"<StreamIndex {_written(tracks[0].stream)}>{levels}{chunks}</StreamIndex>"

    def _fragment(self, level: str, chunk: str, now: Fraction) -> Answered:
        bitrate = level.removeprefix("QualityLevels(").rstrip(")")
        kind, _, time = chunk.removeprefix("Fragments(").rstrip(")").partition("=")
        for track in self.smooth:
            if (track.stream["Type"], track.level["Bitrate"]) != (kind, bitrate):
                continue
            offered = {told for told, _ in self._chunks(track, now)}
            for start in track.starts:
                if str(self._ticks(start)) == time and self._ticks(start) in offered:
                    path = self.folder / "s" / f"{kind}-{bitrate}-{start}"
                    return Answered(200, path.read_bytes(), "video/mp4")
        return Answered(404)


def _written(attributes) -> str:
    return " ".join(f"{name}={quoteattr(text)}" for name, text in attributes.items())


def packaged_origin(
    folder: Path, tracks, began: Fraction, window: Fraction, begins: float = 0
) -> PackagedOrigin:
    """Of a stream that lies there as CMAF; the other packagings are made beside it. Those of
    MPEG-TS count their times from `begins`, in seconds."""
    video = tracks[0]
    audio = next(one for one in tracks if one.kind == "audio")
    return PackagedOrigin(
        folder,
        tracks,
        began,
        window,
        muxed=make_transport(folder, video, audio, "t", begins),
        pictures=make_transport(folder, video, None, "p", begins),
        packed=make_packed(folder, audio, folder / "p", "q"),
        smooth=make_smooth(folder, tracks, "s"),
    )
