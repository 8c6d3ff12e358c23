"""Encrypted media, made by the packager: pictures and sound with keys of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from taskengine.media.tools import bundled_tools

SEED = "XVBovsmzhP9gRIZxWfFta3VVRPzVEWmJsazEJ46I"  # of the test server that Microsoft runs
VIDEO = bytes.fromhex("8ba94ade6eb9449db44fa5beefaf43b0")  # key ids
AUDIO = bytes.fromhex("339c45b5fb6d4bd9994ceabd9d41c95b")
IV = bytes.fromhex("0123456789abcdef0123456789abcdef")
_FIRST = {  # keys of the seed
    VIDEO: bytes.fromhex("dbfd6922c321c4bb486f4a1c44097ed6"),
    AUDIO: bytes.fromhex("a537cdc0ca65841406d525e7bf22d754"),
}
# The packager changes keys by turning id and key by a byte.
KEYS = {
    key_id[turn:] + key_id[:turn]: key[turn:] + key[:turn]
    for key_id, key in _FIRST.items()
    for turn in range(8)
}


def protect(
    source: Path,
    folder: Path,
    scheme: str,
    *more: str,
    sound: bool = True,
    suffix: str = "m4s",
    keys: tuple[tuple[bytes, bytes], ...] = tuple(_FIRST.items()),
) -> None:
    """`v-1.m4s`, … and `a-1.m4s`, … of a second each, with `v-init.mp4` and `a-init.mp4`, `m.mpd`
    and `m.m3u8`."""
    streams = []
    for name, stream in (("v", "video"), ("a", "audio"))[: 1 + sound]:
        fields = [
            *(f"in={source}", f"stream={stream}", f"playlist_name={name}.m3u8"),
            *(f"segment_template={folder}/{name}-$Number$.{suffix}", f"drm_label={name}"),
        ]
        if suffix == "m4s":
            fields.append(f"init_segment={folder}/{name}-init.mp4")
        streams.append(",".join(fields))
    said = [
        f"label={label}:key_id={key_id.hex()}:key={key.hex()}"
        for label, (key_id, key) in zip("va", keys, strict=True)
    ]
    flags = ["--segment_duration", "1", "--protection_scheme", scheme, "--clear_lead", "0"]
    flags += ["--enable_raw_key_encryption", "--keys", ",".join(said), "--iv", IV.hex(), *more]
    flags += ["--hls_master_playlist_output", f"{folder}/m.m3u8"]
    if suffix == "m4s":
        flags += ["--mpd_output", f"{folder}/m.mpd", "--generate_static_live_mpd"]
    command = [bundled_tools().packager, "--quiet", *streams, *flags]
    subprocess.run(command, check=True, capture_output=True)
