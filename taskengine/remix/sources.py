"""What the URLs of a clip give: streams, media files, server manifests that name files.

Which one it is is seen from what the URL gives, whatever it looks like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException

from taskengine.capture.model import Resource, SourceRefused
from taskengine.capture.streams import HEAD, MAX_MANIFEST, kind_of
from taskengine.capture.web import Web
from taskengine.media.extensions import CAPTIONS, MEDIA, suffix
from taskengine.media.ism import read_ism

MAX_FILES: Final = 50  # of a clip
LONGEST_NAME: Final = 100  # characters of a file's name that are kept
LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class RemixSource:
    """One source of a clip. What a server manifest says of a file's one track counts before what
    the file says: `language`, `kind`, `role`. Of a file of the client's own `url` is its path,
    below the root of sources."""

    url: str
    is_stream: bool = False
    is_stored: bool = False
    language: str = ""
    kind: str = ""
    role: str = ""

    @property
    def name(self) -> str:
        """As a file of ours is called for it: as the URL ends, where that is a name of media."""
        path = self.url if self.is_stored else unquote(urlsplit(self.url).path)
        base = path.rpartition("/")[2]
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", base)[-LONGEST_NAME:]
        return plain if suffix(plain) in MEDIA | CAPTIONS else f"{plain or 'file'}.media"

    @property
    def shown(self) -> str:
        """As lines name it: without what may be secret in a URL."""
        if self.is_stored:
            return self.url
        parts = urlsplit(self.url)
        return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


async def sources_at(web: Web, url: str) -> list[RemixSource]:
    """Raises SourceAway, SourceRefused."""
    head = await web.peek(Resource(url), HEAD)
    if kind_of(head.body):
        return [RemixSource(url, is_stream=True)]
    if b"<smil" not in head.body:
        return [RemixSource(url)]
    manifest = await web.get(Resource(url), MAX_MANIFEST)
    return _named(manifest.body.decode("utf-8", "replace"), manifest.url)


def _named(text: str, url: str) -> list[RemixSource]:
    """The files that a server manifest names, each once."""
    try:
        tracks = read_ism(text)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise SourceRefused(f"it is no server manifest that can be read: {error}") from None
    files = dict.fromkeys(track.file for track in tracks if track.file)
    if not files:
        raise SourceRefused("it is a server manifest that names no file")
    found = []
    for file in files:
        own = [track for track in tracks if track.file == file]
        source = RemixSource(urljoin(url, quote(file)))
        if len(own) == 1:
            one = own[0]
            language = one.language if LANGUAGE.fullmatch(one.language) else ""
            said = language if language != "und" else ""
            source = RemixSource(source.url, language=said, kind=one.kind, role=one.role)
        found.append(source)
    return found
