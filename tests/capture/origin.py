"""A live origin made of files: HLS and DASH of a loopless stream that began at a given time.

`answer` is a function of a path and a time, so that it can be served, or asked directly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import h11
import trio

TYPES = {"m3u8": "application/vnd.apple.mpegurl", "mpd": "application/dash+xml"}


@dataclass(frozen=True, slots=True)
class LiveTrack:
    """Files `init.mp4` and `1.m4s`, `2.m4s`, … in a folder named like the track."""

    name: str
    kind: str  # video, audio
    codecs: str
    bitrate: int
    durations: tuple[Fraction, ...]
    width: int = 0
    height: int = 0
    language: str = ""
    suffix: str = "m4s"  # of its files
    tiles: tuple[int, int] = (0, 0)  # columns and rows of images; width and height are of a tile


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    body: bytes = b""
    type: str = "application/octet-stream"


@dataclass(slots=True)
class LiveOrigin:
    """`began` is when the first segment's first picture was taken, seconds since 1970."""

    folder: Path
    tracks: tuple[LiveTrack, ...]
    began: Fraction
    window: Fraction = Fraction(30)  # seconds
    _starts: dict[str, list[Fraction]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for track in self.tracks:
            starts = [Fraction(0)]
            for duration in track.durations:
                starts.append(starts[-1] + duration)
            self._starts[track.name] = starts

    def answer(self, path: str, now: Fraction) -> Answered:
        """`/master.m3u8`, `/<track>.m3u8`, `/live.mpd`, `/<track>/<file>`."""
        path = path.partition("?")[0].lstrip("/")
        by_name = {track.name: track for track in self.tracks}
        name, _, file = path.partition("/")
        stem, _, suffix = path.rpartition(".")
        if path == "master.m3u8":
            return Answered(200, self._master().encode(), TYPES[suffix])
        if path == "live.mpd":
            return Answered(200, self._mpd(now).encode(), TYPES[suffix])
        if suffix == "m3u8" and stem in by_name:
            return Answered(200, self._playlist(by_name[stem], now).encode(), TYPES[suffix])
        if name in by_name and file:
            return self._file(by_name[name], file, now)
        return Answered(404)

    def offered(self, track: LiveTrack, now: Fraction) -> range:
        """The numbers of the segments in the window, from 1."""
        starts, elapsed = self._starts[track.name], now - self.began
        last = sum(1 for end in starts[1:] if end <= elapsed)
        oldest = elapsed - self.window
        first = 1 + sum(1 for end in starts[1 : last + 1] if end <= oldest)
        return range(first, last + 1)

    def _file(self, track: LiveTrack, file: str, now: Fraction) -> Answered:
        number = file.partition(".")[0]
        if number.isdigit() and int(number) not in self.offered(track, now):
            return Answered(404)
        path = self.folder / track.name / file
        if "/" in file or not path.is_file():
            return Answered(404)
        return Answered(200, path.read_bytes(), "video/mp4")

    def _master(self) -> str:
        sound = [track for track in self.tracks if track.kind == "audio"]
        lines = ["#EXTM3U", "#EXT-X-VERSION:6"]
        for track in sound:
            default = "YES" if track is sound[0] else "NO"
            lines.append(
                f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="{track.name}",DEFAULT={default},'
                f'LANGUAGE="{track.language}",URI="{track.name}.m3u8"'
            )
        for track in self.tracks:
            if track.kind == "video":
                codecs = ",".join([track.codecs, *(one.codecs for one in sound[:1])])
                group = ',AUDIO="a"' if sound else ""
                lines.append(
                    f'#EXT-X-STREAM-INF:BANDWIDTH={track.bitrate},CODECS="{codecs}",'
                    f"RESOLUTION={track.width}x{track.height}{group}"
                )
                lines.append(f"{track.name}.m3u8")
            if track.kind == "image":
                lines.append(
                    f'#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={track.bitrate},CODECS="jpeg",'
                    f'RESOLUTION={track.width}x{track.height},URI="{track.name}.m3u8"'
                )
        return "\n".join(lines) + "\n"

    def _playlist(self, track: LiveTrack, now: Fraction) -> str:
        offered = self.offered(track, now)
        target = -(-max(track.durations) // 1)
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:6",
            f"#EXT-X-TARGETDURATION:{target}",
            f"#EXT-X-MEDIA-SEQUENCE:{offered.start}",
        ]
        if track.suffix == "m4s":
            lines.append(f'#EXT-X-MAP:URI="{track.name}/init.mp4"')
        for number in offered:
            start = self.began + self._starts[track.name][number - 1]
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_stamp(start)}")
            lines.append(f"#EXTINF:{float(track.durations[number - 1]):.6f},")
            if track.kind == "image":
                interval = track.durations[number - 1] / (track.tiles[0] * track.tiles[1])
                layout = f"LAYOUT={track.tiles[0]}x{track.tiles[1]},DURATION={float(interval)}"
                lines.append(f"#EXT-X-TILES:RESOLUTION={track.width}x{track.height},{layout}")
            lines.append(f"{track.name}/{number}.{track.suffix}")
        if offered.stop > len(track.durations):
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(lines) + "\n"

    def _mpd(self, now: Fraction) -> str:
        sets = "".join(self._adaptation_set(track, now) for track in self.tracks)
        length = sum(self.tracks[0].durations, Fraction(0))
        is_over = now > self.began + length + 2
        how = f'"static" mediaPresentationDuration="PT{float(length)}S"'
        how = how if is_over else '"dynamic" minimumUpdatePeriod="PT2S"'
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type={how} '
            f'availabilityStartTime="{_stamp(self.began)}" profiles="urn:mpeg:dash:profile:'
            'isoff-live:2011" minBufferTime="PT4S">'
            f'<Period id="1" start="PT0S">{sets}</Period></MPD>\n'
        )

    def _adaptation_set(self, track: LiveTrack, now: Fraction) -> str:
        scale, offered = 1_000_000, self.offered(track, now)
        entries = "".join(
            f'<S t="{round(self._starts[track.name][n - 1] * scale)}"'
            f' d="{round(track.durations[n - 1] * scale)}"/>'
            for n in offered
        )
        if track.kind == "image":
            return self._image_set(track, scale, offered.start, entries)
        shape = f' width="{track.width}" height="{track.height}"' if track.width else ""
        language = f' lang="{track.language}"' if track.language else ""
        return (
            f'<AdaptationSet contentType="{track.kind}" mimeType="{track.kind}/mp4"{language}>'
            f'<SegmentTemplate timescale="{scale}" startNumber="{offered.start}" '
            f'initialization="{track.name}/init.mp4" media="{track.name}/$Number$.m4s">'
            f"<SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>"
            f'<Representation id="{track.name}" bandwidth="{track.bitrate}" '
            f'codecs="{track.codecs}"{shape}/></AdaptationSet>'
        )

    def _image_set(self, track: LiveTrack, scale: int, first: int, entries: str) -> str:
        columns, rows = track.tiles
        return (
            '<AdaptationSet contentType="image" mimeType="image/jpeg">'
            f'<SegmentTemplate timescale="{scale}" startNumber="{first}" '
            f'media="{track.name}/$Number$.{track.suffix}">'
            f"<SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>"
            f'<Representation id="{track.name}" bandwidth="{track.bitrate}" '
            f'width="{columns * track.width}" height="{rows * track.height}">'
            '<EssentialProperty schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" '
            f'value="{columns}x{rows}"/></Representation></AdaptationSet>'
        )


async def serve(
    stream: trio.SocketStream, answer: Callable[[str], Answered | Awaitable[Answered]]
) -> None:
    """Answer a connection's requests one after the other."""
    connection = h11.Connection(h11.SERVER)
    try:
        async with stream:
            while (request := await next_request(stream, connection)) is not None:
                said = answer(request.target.decode())
                found = said if isinstance(said, Answered) else await said
                if not 200 <= found.status <= 599:
                    return  # as if the host had gone
                headers = [("content-length", str(len(found.body))), ("content-type", found.type)]
                head = h11.Response(status_code=found.status, headers=headers)
                data = connection.send(head) or b""
                data += connection.send(h11.Data(data=found.body)) or b""
                await stream.send_all(data + (connection.send(h11.EndOfMessage()) or b""))
                connection.start_next_cycle()
    except (h11.ProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def next_request(stream: trio.SocketStream, connection: h11.Connection) -> h11.Request | None:
    """None when the client has gone."""
    request: h11.Request | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            return None


def _stamp(time: Fraction) -> str:
    moment = datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{int(time % 1 * 1_000_000):06d}Z"
