"""The server manifest: a SMIL file that names the tracks, for origins that package on the fly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final
from xml.etree import ElementTree

from defusedxml.ElementTree import fromstring

from taskengine.media.tracks import Track, TrackType

NAMESPACE: Final = "http://www.w3.org/2001/SMIL20/Language"
ELEMENTS: Final[dict[TrackType, str]] = {"video": "video", "audio": "audio", "text": "textstream"}
FOUR_CC: Final = {"h264": "H264", "hevc": "HVC1", "av1": "AV01", "aac": "AACL", "ac3": "AC-3",
                  "eac3": "EC-3", "webvtt": "WVTT"}  # fmt: skip


def write_ism(tracks: Sequence[Track]) -> str:
    """The manifest of tracks whose `file` is their published name."""
    smil = ElementTree.Element("smil", xmlns=NAMESPACE)
    head = ElementTree.SubElement(smil, "head")
    ElementTree.SubElement(head, "meta", name="formats", content="mp4")
    switch = ElementTree.SubElement(ElementTree.SubElement(smil, "body"), "switch")
    for track in tracks:
        switch.append(_element(track))
    ElementTree.indent(smil)
    declaration = '<?xml version="1.0" encoding="utf-8"?>\n'
    return declaration + ElementTree.tostring(smil, encoding="unicode") + "\n"


def read_ism(text: str) -> list[Track]:
    """The tracks a manifest names."""
    types = {element: kind for kind, element in ELEMENTS.items()}
    return [
        _track(element, types[tag])
        for element in fromstring(text.encode()).iter()
        if (tag := element.tag.rpartition("}")[2]) in types
    ]


def _element(track: Track) -> ElementTree.Element:
    element = ElementTree.Element(
        ELEMENTS[track.type], src=track.file, systemBitrate=str(track.bitrate)
    )
    if track.type != "video":
        element.set("systemLanguage", track.language)
    for name, value in _parameters(track):
        if value and value != "0":
            ElementTree.SubElement(element, "param", name=name, value=value, valuetype="data")
    return element


def _parameters(track: Track) -> Iterator[tuple[str, str]]:
    yield "trackID", "" if track.type == "text" else "1"  # each file holds one track
    yield "trackName", track.name
    yield "trackDescription", track.description
    yield "trackRole", track.role
    yield "trackKind", track.kind
    yield "FourCC", FOUR_CC.get(track.codec, track.codec.upper())
    yield "CodecPrivateData", track.private.upper()
    yield "MaxWidth", str(track.width)
    yield "MaxHeight", str(track.height)
    yield "Channels", str(track.channels)
    yield "SamplingRate", str(track.sample_rate)
    yield "closedCaptions", track.captions
    yield "FrameRate", f"{track.frame_rate:g}"
    yield "companion", track.companion


def _track(element: ElementTree.Element, kind: TrackType) -> Track:
    said = {
        parameter.get("name", ""): parameter.get("value", "")
        for parameter in element
        if parameter.tag.endswith("param")
    }
    codecs = {four: codec for codec, four in FOUR_CC.items()}
    four = said.get("FourCC", "")
    track = Track(kind, element.get("src", ""), language=element.get("systemLanguage") or "und")
    return replace(
        track,
        bitrate=int(element.get("systemBitrate") or 0),
        name=said.get("trackName", ""),
        description=said.get("trackDescription", ""),
        role=said.get("trackRole", ""),
        kind=said.get("trackKind", ""),
        codec=codecs.get(four, four.lower()),
        private=said.get("CodecPrivateData", "").lower(),
        width=int(said.get("MaxWidth", 0)),
        height=int(said.get("MaxHeight", 0)),
        channels=int(said.get("Channels", 0)),
        sample_rate=int(said.get("SamplingRate", 0)),
        captions=said.get("closedCaptions", ""),
        frame_rate=float(said.get("FrameRate", 0)),
        companion=said.get("companion", ""),
    )
