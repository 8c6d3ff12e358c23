"""Whether an asset plays: every track of what is active is decoded to its end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskengine.media.ffmpeg import CAREFUL
from taskengine.media.keys import FileKeyStore, asset_name
from taskengine.media.naming import parse_name
from taskengine.media.tools import Bench
from taskengine.model import PermanentFailure
from taskengine.runtime.process import ProcessFailed
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage

SLACK: Final = 0.5  # seconds; frames and priming samples
_PLAYLIST: Final = re.compile(r'TYPE=AUDIO.*URI="([^"]+)"|^([^#\s].*\.m3u8)$', re.MULTILINE)
_LENGTH: Final = re.compile(r"^#EXTINF:([\d.]+)", re.MULTILINE)
_MAP: Final = re.compile(r'#EXT-X-MAP:URI="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Played:
    """What came of playing something. `seconds` None: it does not play."""

    name: str
    seconds: float | None
    promised: float  # seconds, by its manifest

    @property
    def whole(self) -> bool:
        return self.seconds is not None and abs(self.seconds - self.promised) <= SLACK


def active_master(folder: Path, content_id: str, tag: str) -> Path:
    """The HLS master playlist that is active. Raises PermanentFailure."""
    for path in sorted(folder.iterdir()):
        name = parse_name(content_id, path.name)
        if name and name.active and name.extension == "m3u8" and name.tag == tag and not name.aes:
            return path
    raise PermanentFailure(f"{folder}: no HLS playlist is active with the tag {tag}")


async def play_hls(bench: Bench, master: Path) -> list[Played]:
    """Each rendition of a clear HLS, as a player loads it."""
    options = ("-allowed_extensions", "ALL", "-protocol_whitelist", "file,crypto")
    return [
        Played(playlist.name, await decoded(bench, playlist, options), _promised(playlist))
        for playlist in _renditions(master)
    ]


async def play_files(bench: Bench, master: Path, key: str | None) -> list[Played]:
    """The media of each rendition, with a content key or without."""
    options = () if key is None else ("-decryption_key", key)
    return [
        Played(media.name, await decoded(bench, media, options), _promised(playlist))
        for playlist in _renditions(master)
        for media in [master.parent / _media_of(playlist)]
    ]


async def content_key(data: Path, root: Path, folder: str, content_id: str) -> str:
    """The key that the engine keeps for an asset. Raises PermanentFailure."""
    asset = asset_name(Folder(LocalStorage([root]), str(root), folder), content_id)
    keys = await FileKeyStore(data / "keys").load(asset)
    if keys is None:
        raise PermanentFailure(f"no key is kept for {asset}")
    return keys.key


async def decoded(bench: Bench, path: Path, options: Sequence[str] = ()) -> float | None:
    """How far the tracks of a file decode, seconds; None: not without an error."""
    command = [bench.tools.ffmpeg, "-nostdin", "-hide_banner", "-v", "error", "-nostats", *CAREFUL]
    command += [*options, "-i", str(path), "-map", "0:v?", "-map", "0:a?"]
    try:
        said = await bench.run([*command, "-progress", "pipe:1", "-f", "null", "-"])
    except ProcessFailed:
        return None
    times = re.findall(r"^out_time_us=(\d+)$", said, re.MULTILINE)
    return int(times[-1]) / 1e6 if times else None


def _renditions(master: Path) -> list[Path]:
    names = _PLAYLIST.findall(master.read_text())
    return [master.parent / name for name in dict.fromkeys(a or b for a, b in names)]


def _promised(playlist: Path) -> float:
    return sum(map(float, _LENGTH.findall(playlist.read_text())))


def _media_of(playlist: Path) -> str:
    found = _MAP.search(playlist.read_text())
    if found is None:
        raise PermanentFailure(f"{playlist.name} names no media")
    return found[1]
