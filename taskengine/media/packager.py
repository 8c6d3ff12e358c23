"""Running the packager: tracks in; CMAF files, playlists and an MPD out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskengine.media.keys import AssetKeys
from taskengine.media.tools import Bench
from taskengine.model import PermanentFailure

FORBIDDEN: Final = frozenset(',="\r\n\0')  # they end a field, or a quoted value of a playlist
SEGMENT: Final = "4"  # seconds
CACHE: Final = str(4 << 20)  # bytes, of each file that is read or written
# Its names of vendors' systems, by a job's values of `drm`.
SYSTEMS: Final = {"playready": "PlayReady", "widevine": "Widevine", "fairplay": "FairPlay"}


@dataclass(frozen=True, slots=True)
class Protection:
    """How files are encrypted; `systems` are the packager's names."""

    scheme: str  # cenc or cbcs
    systems: tuple[str, ...]
    keys: AssetKeys


@dataclass(frozen=True, slots=True)
class Manifests:
    """The manifests to write beside the media; an empty name: none."""

    hls: str = ""
    dash: str = ""
    captions: str = ""  # inside the pictures, as the packager names them


def descriptor(fields: Mapping[str, str]) -> str:
    """A stream descriptor. Raises PermanentFailure for values that would add fields to it."""
    for name, value in fields.items():
        if FORBIDDEN & set(value):
            raise PermanentFailure(
                f"{name}: commas, quotes, '=' and newlines are refused: {value!r}"
            )
    return ",".join(f"{name}={value}" for name, value in fields.items() if value)


async def package(
    bench: Bench,
    streams: Sequence[Mapping[str, str]],
    folder: str,
    manifests: Manifests,
    *,
    protection: Protection | None = None,
    unlock: AssetKeys | None = None,
) -> None:
    """Package streams into a folder of the bench; `unlock` decrypts them first."""
    bench.folder.joinpath(folder).mkdir(parents=True, exist_ok=True)
    secrets = bench.folder / f"{folder}.flags"  # command lines are public, this file is not
    flags = [*_manifest_flags(folder, manifests), *_protection_flags(protection)]
    try:
        write_secretly(secrets, _secret_flags(protection, unlock))
        await bench.run(
            [bench.tools.packager, "--quiet", f"--flagfile={secrets.name}", *flags]
            + [descriptor(stream) for stream in streams]
        )
    finally:
        secrets.unlink(missing_ok=True)


def write_secretly(path: Path, lines: Sequence[str]) -> None:
    """Write a file that only its owner may read, also before the first byte is in it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "w") as file:
        file.writelines(f"{line}\n" for line in lines)


def _manifest_flags(folder: str, manifests: Manifests) -> list[str]:
    flags = [
        *("--segment_duration", SEGMENT, "--temp_dir", ".", "--io_cache_size", CACHE),
        *("--hls_playlist_type", "VOD", "--per_playlist_target_duration"),
        "--use_fake_clock_for_muxer",  # no dates of making in files: another attempt's are the same
    ]
    if manifests.captions:
        flags += ["--closed_captions", manifests.captions]
    if manifests.hls:
        flags += ["--hls_master_playlist_output", f"{folder}/{manifests.hls}"]
    if manifests.dash:
        flags += ["--mpd_output", f"{folder}/{manifests.dash}"]
    return flags


def _protection_flags(protection: Protection | None) -> list[str]:
    if protection is None:
        return []
    return [
        *("--clear_lead", "0", "--protection_scheme", protection.scheme),
        *("--protection_systems", ",".join(protection.systems)),
        *("--hls_key_uri", protection.keys.fairplay_uri),
    ]


def _secret_flags(protection: Protection | None, unlock: AssetKeys | None) -> list[str]:
    flags = []
    if protection is not None:
        flags += ["--enable_raw_key_encryption"]
        if protection.scheme == "cbcs":  # else each stream gets one of its own: no two are alike
            flags += [f"--iv={protection.keys.iv}"]
    if unlock is not None:
        flags += ["--enable_raw_key_decryption"]
    keys = protection.keys if protection is not None else unlock
    if keys is not None:
        flags += [f"--keys=label=:key_id={keys.key_id}:key={keys.key}"]
    return flags
