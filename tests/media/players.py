"""What players do: read playlists and MPDs, take byte ranges, decode to the end."""

import re
import struct
import subprocess
from fractions import Fraction

from defusedxml.ElementTree import fromstring

from taskengine.media.ffmpeg import CAREFUL
from taskengine.media.tools import bundled_tools

DASH = "{urn:mpeg:dash:schema:mpd:2011}"


class Undecodable(Exception):
    """A player would show garbage or nothing."""


def decoded(path, key=None, hls=False):
    """How long the only track of a file lasts when it is decoded, seconds."""
    opening = ["-decryption_key", key] if key else []
    if hls:
        opening += ["-allowed_extensions", "ALL", "-protocol_whitelist", "file,crypto"]
    command = [bundled_tools().ffmpeg, "-nostdin", "-v", "error", *CAREFUL, *opening]
    command += ["-i", str(path), "-map", "0:v?", "-map", "0:a?", "-f", "framecrc", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Undecodable(done.stderr[-300:])
    if "\n0," not in done.stdout:
        raise Undecodable(f"{path.name}: not one frame")
    base = Fraction(re.search(r"^#tb 0: (\S+)", done.stdout, re.MULTILINE)[1])
    frames = [line.split(",") for line in done.stdout.splitlines() if line[0] != "#"]
    return float(sum(int(frame[3]) for frame in frames if frame[0] == "0") * base)


def renditions(master):
    """The media playlists that a master playlist names."""
    names = re.findall(r'URI="([^"]+\.m3u8)"|^([^#\s].*\.m3u8)$', master.read_text(), re.MULTILINE)
    return [master.parent / (quoted or bare) for quoted, bare in names]


def ranges(playlist):
    """The init segment and the segments of a media playlist: file, start, length."""
    text, found, end = playlist.read_text(), [], 0
    name, length, start = re.search(r'MAP:URI="(.+?)",BYTERANGE="(\d+)@(\d+)"', text).groups()
    found.append((playlist.parent / name, int(start), int(length)))
    for length, start, name in re.findall(r"BYTERANGE:(\d+)(?:@(\d+))?\n(.+)", text):
        begin = int(start) if start else end
        end = begin + int(length)
        found.append((playlist.parent / name, begin, int(length)))
    return found


def joined(pieces, target):
    """A file of byte ranges, as a player's buffer has them."""
    data = b""
    for path, start, length in pieces:
        piece = path.read_bytes()[start : start + length]
        assert len(piece) == length, f"{path.name}: shorter than its manifest says"
        data += piece
    target.write_bytes(data)
    return target


def representations(mpd):
    """Each representation of a static MPD: its type and its ranges, checked against its index."""
    tree = fromstring(mpd.read_text())
    assert tree.get("type") == "static"
    for adaptation in tree.iter(f"{DASH}AdaptationSet"):
        for representation in adaptation.iter(f"{DASH}Representation"):
            path = mpd.parent / representation.findtext(f"{DASH}BaseURL")
            base = representation.find(f"{DASH}SegmentBase")
            kind = adaptation.get("contentType")
            if base is not None:
                yield kind, path, [_range(path, base.find(f"{DASH}Initialization").get("range")),
                                   *_indexed(path, base.get("indexRange"))]  # fmt: skip


def duration_of(mpd):
    return seconds_of(fromstring(mpd.read_text()).get("mediaPresentationDuration"))


def seconds_of(said):
    """Of a duration as our MPDs have it."""
    return float(re.fullmatch(r"PT([\d.]+)S", said)[1])


def _range(path, text):
    first, last = map(int, text.split("-"))
    return path, first, last - first + 1


def _indexed(path, text):
    """The segments of a `sidx` box, which have to reach to the end of the file."""
    begin, entries, _ = _index(path, text)
    found = []
    for size, _ in entries:
        found.append((path, begin, size))
        begin += size
    assert begin == path.stat().st_size
    return found


def index_lengths(path, text):
    """How long the segments of a `sidx` box are, in seconds."""
    _, entries, scale = _index(path, text)
    return [ticks / scale for _, ticks in entries]


def _index(path, text):
    """Of a `sidx` box: where the first segment begins, sizes and ticks of all, ticks a second."""
    _, start, length = _range(path, text)
    box = path.read_bytes()[start : start + length]
    assert box[4:8] == b"sidx"
    wide = box[8] == 1
    at = 8 + 4 + 8 + (16 if wide else 8)
    scale, count = struct.unpack(">I", box[16:20])[0], struct.unpack(">HH", box[at : at + 4])[1]
    rows = [struct.unpack(">II", box[at + 4 + 12 * n : at + 12 + 12 * n]) for n in range(count)]
    return start + length, [(size & 0x7FFFFFFF, ticks) for size, ticks in rows], scale
