"""The origin, a process of its own: an archive, the same stream live, and their segments.

`python -m bench.capture.origin FOLDER` prints its port. `FOLDER/stream.json` says what there is.
"""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import UTC, datetime
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WINDOW = 60  # seconds of a live playlist


def write_stream(folder: Path, tracks: list[dict[str, Any]], began: float) -> None:
    """Say what there is: tracks with `name`, `bitrate`, `lines`, and `segments` [start, duration]
    as text; `began` is the clock at the first picture, seconds since 1970."""
    (folder / "stream.json").write_text(json.dumps({"tracks": tracks, "began": began}))


def write_playlists(folder: Path) -> None:
    """Those of the archive, as files."""
    said = json.loads((folder / "stream.json").read_text())
    (folder / "archive.m3u8").write_text(_master(said, "archive"))
    for track in said["tracks"]:
        text = _playlist(said, track, len(track["segments"]), None)
        (folder / f"archive-{track['name']}.m3u8").write_text(text)


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: no peer delays its answer
    folder = Path()
    said: dict[str, Any] = {}  # noqa: RUF012

    def do_GET(self) -> None:
        name = self.path.lstrip("/").partition("?")[0]
        if name == "live.m3u8":
            self._send(_master(self.said, "live").encode())
        elif found := re.fullmatch(r"live-(\w+)\.m3u8", name):
            self._send(self._live(found[1]).encode())
        else:
            path = self.folder / name
            if ".." in name or not path.is_file():
                self._send(b"", 404)
            else:
                self._send(path.read_bytes())

    def _live(self, name: str) -> str:
        [track] = [one for one in self.said["tracks"] if one["name"] == name]
        elapsed = Fraction(time.time() - self.said["began"])
        ended = [n for n, (start, length) in enumerate(track["segments"])
                 if Fraction(start) + Fraction(length) <= elapsed]  # fmt: skip
        return _playlist(self.said, track, len(ended), WINDOW)

    def _send(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing."""


def _master(said: dict[str, Any], kind: str) -> str:
    lines = ["#EXTM3U", "#EXT-X-VERSION:7"]
    lines.append(f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",DEFAULT=YES,URI="{kind}-a.m3u8"')
    for track in said["tracks"]:
        if track["lines"]:
            size = f"{track['lines'] * 16 // 9}x{track['lines']}"
            rates = f"BANDWIDTH={track['bitrate']},RESOLUTION={size}"
            lines.append(f'#EXT-X-STREAM-INF:{rates},CODECS="avc1.640028,mp4a.40.2",AUDIO="a"')
            lines.append(f"{kind}-{track['name']}.m3u8")
    return "\n".join(lines) + "\n"


def _playlist(said: dict[str, Any], track: dict[str, Any], end: int, window: int | None) -> str:
    segments = track["segments"][:end]
    first = 0
    if window is not None and segments:
        oldest = Fraction(segments[-1][0]) - window
        first = next(n for n, (start, _) in enumerate(segments) if Fraction(start) >= oldest)
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:5"]
    lines += [f"#EXT-X-MEDIA-SEQUENCE:{first}", f'#EXT-X-MAP:URI="{track["name"]}/init.mp4"']
    for number, (start, length) in enumerate(segments[first:], first):
        at = datetime.fromtimestamp(float(said["began"] + Fraction(start)), UTC)
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{at.strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3]}Z")
        lines += [f"#EXTINF:{float(Fraction(length)):.6f},", f"{track['name']}/{number}.m4s"]
    if window is None or end == len(track["segments"]):
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    Origin.folder, Origin.said = folder, json.loads((folder / "stream.json").read_text())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
