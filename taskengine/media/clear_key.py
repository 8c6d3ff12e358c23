"""How HLS names the key of Common Encryption to players without a vendor's system: as ClearKey.

The packager writes no line for that where the scheme is `cenc`, and players refuse media without a
line that they know. hls.js knows the format `org.w3.clearkey` and asks the licence server that it
is configured with; shaka-player knows `identity` (RFC 8216, 4.3.2.4) and fetches the key by its
URI, even where it has another system: so that line stands where there is no other system.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from taskengine.media.keys import AssetKeys
from taskengine.media.packager import SYSTEMS

METHODS: Final = {"cenc": "SAMPLE-AES-CTR", "cbcs": "SAMPLE-AES"}  # by scheme of encryption
CLEAR_KEY: Final = "org.w3.clearkey"  # the system of Encrypted Media Extensions, 9.1
_MAP: Final = re.compile(r"^#EXT-X-MAP:.*\n", re.MULTILINE)
_IDENTITY: Final = re.compile(r'^#EXT-X-KEY:.*KEYFORMAT="identity".*\n', re.MULTILINE)


def name_clear_key(
    playlists: Iterable[Path], drm: Sequence[str], scheme: str, keys: AssetKeys
) -> None:
    """In media playlists of one scheme of encryption, if a job's values of `drm` ask for that, in
    place of what the packager says of it. Playlists without an initialization, those of captions,
    are clear. Blocking."""
    lines = "".join(f"{line}\n" for line in _lines(drm, METHODS[scheme], keys))
    for playlist in playlists:
        text = _IDENTITY.sub("", playlist.read_text("utf-8"))
        playlist.write_text(_MAP.sub(lambda found: found[0] + lines, text), "utf-8")


def _lines(drm: Sequence[str], method: str, keys: AssetKeys) -> Iterator[str]:
    is_alone = SYSTEMS.keys().isdisjoint(drm)  # the packager writes lines of vendors
    if is_alone:
        yield f'#EXT-X-KEY:METHOD={method},URI="{keys.cenc_uri}",KEYFORMAT="identity"'
    if is_alone or "cenc" in drm:
        key_id = base64.b64encode(bytes.fromhex(keys.key_id)).decode()
        yield (
            f'#EXT-X-KEY:METHOD={method},URI="data:text/plain;base64,{key_id}",'
            f'KEYID=0x{keys.key_id},KEYFORMATVERSIONS="1",KEYFORMAT="{CLEAR_KEY}"'
        )
