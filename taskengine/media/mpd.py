"""Finishing the packager's MPD: what it says of tracks in words, roles and times.

The packager writes one AdaptationSet for each track of sound and text (they are told apart by a
label of their number), since an AdaptationSet holds what may be exchanged while it plays (ISO/IEC
23009-1, 5.3.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Final
from xml.etree import ElementTree

from defusedxml.ElementTree import fromstring

from taskengine.media.labels import defaults, labels
from taskengine.media.tracks import ACCESSIBLE, Track, longest

DASH: Final = "urn:mpeg:dash:schema:mpd:2011"
NAMESPACES: Final = {
    "": DASH,
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "cenc": "urn:mpeg:cenc:2013",
    "mspr": "urn:microsoft:playready",
}
ROLE: Final = "urn:mpeg:dash:role:2011"
TRICK_MODE: Final = "http://dashif.org/guidelines/trickmode"  # names the sets of which it is one
PURPOSE: Final = "urn:tva:metadata:cs:AudioPurposeCS:2007"  # DASH-IF IOP 3.9.5
FOR_THE_BLIND, FOR_THE_DEAF = "1", "2"
ROLES: Final = {  # of HTML's audio track kinds
    "main": "main", "alternative": "alternate", "descriptions": "description",
    "main-desc": "description", "translation": "dub", "commentary": "commentary",
}  # fmt: skip
DASH_ROLES: Final = frozenset({
    "caption", "subtitle", "main", "alternate", "supplementary", "commentary", "dub",
    "description", "sign", "metadata", "emergency", "forced-subtitle", "easyreader", "karaoke",
})  # fmt: skip
BEFORE: Final = frozenset(  # what stands before a label, as the schema orders them
    f"{{{DASH}}}{name}"
    for name in (
        *("FramePacking", "AudioChannelConfiguration", "ContentProtection", "OutputProtection"),
        *("EssentialProperty", "SupplementalProperty", "InbandEventStream"),
    )
)


def finish_mpd(text: str, tracks: Sequence[Track], files: Sequence[str]) -> str:
    """The MPD with what is known of its tracks; `files` are those that it names, one a track."""
    for prefix, uri in NAMESPACES.items():
        ElementTree.register_namespace(prefix, uri)
    root = fromstring(text.encode())
    length = f"{max(longest(tracks), _length(root)):.3f}".rstrip("0").rstrip(".")
    root.set("mediaPresentationDuration", f"PT{length}S")
    number_of = {file: number for number, file in enumerate(files)}
    for adaptation in root.iter(f"{{{DASH}}}AdaptationSet"):
        _finish(adaptation, tracks, number_of)
    _number(root, number_of)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _number(root: ElementTree.Element, number_of: Mapping[str, int]) -> None:
    """The packager counts sets and representations in the order in which its threads open them,
    which is another one in each run."""
    known: dict[str, str] = {}
    for place, adaptation in enumerate(root.iter(f"{{{DASH}}}AdaptationSet")):
        known[adaptation.get("id", "")] = str(place)
        adaptation.set("id", str(place))
        representations = adaptation.findall(f"{{{DASH}}}Representation")
        for representation in representations:
            adaptation.remove(representation)
        adaptation.extend(sorted(representations, key=partial(_place, number_of)))
    for place, representation in enumerate(root.iter(f"{{{DASH}}}Representation")):
        representation.set("id", str(place))
    for element in root.iter(f"{{{DASH}}}EssentialProperty"):
        if element.get("schemeIdUri") == TRICK_MODE:
            said = element.get("value", "")
            element.set("value", " ".join(known.get(one, one) for one in said.split()))


def _place(number_of: Mapping[str, int], representation: ElementTree.Element) -> tuple[int, str]:
    file = _file(representation)
    return number_of.get(file, 0), file


def _file(representation: ElementTree.Element) -> str:
    return representation.findtext(f"{{{DASH}}}BaseURL", "")


def _length(root: ElementTree.Element) -> float:
    return float(root.get("mediaPresentationDuration", "PT0S")[2:-1] or 0)


def _finish(
    adaptation: ElementTree.Element, tracks: Sequence[Track], number_of: Mapping[str, int]
) -> None:
    found = [
        (representation, number_of[file])
        for representation in adaptation.iter(f"{{{DASH}}}Representation")
        if (file := _file(representation)) in number_of
    ]
    if not found:
        return
    if tracks[found[0][1]].type == "video":
        _state_rates(adaptation, [(one, tracks[number]) for one, number in found])
        return
    number = found[0][1]
    _name(adaptation, labels(tracks)[number], _purposes(tracks, number))
    if tracks[number].type == "text":
        for representation, _ in found:  # text beside the media counts from the period's start
            for base in representation.findall(f"{{{DASH}}}SegmentBase"):
                representation.remove(base)


def _state_rates(
    adaptation: ElementTree.Element, found: Sequence[tuple[ElementTree.Element, Track]]
) -> None:
    """The packager takes the length of one picture, which containers round."""
    rates = [_rate(track.frame_rate) for _, track in found]
    if not all(rates):
        return
    adaptation.attrib.pop("frameRate", None)
    for (representation, _), rate in zip(found, rates, strict=True):
        representation.set("frameRate", rate)


def _rate(value: float) -> str:
    """As a ratio: 23.976 is 24000/1001."""
    whole = round(value)
    if value <= 0 or whole == 0:
        return ""
    if abs(value - whole) < 0.0005:
        return str(whole)
    if abs(value - whole * 1000 / 1001) < 0.0015:
        return f"{whole * 1000}/1001"
    found = Fraction(value).limit_denominator(1001)
    return f"{found.numerator}/{found.denominator}"


def _purposes(tracks: Sequence[Track], number: int) -> list[tuple[str, str, str]]:
    """Element, scheme and value of each."""
    track = tracks[number]
    wanted = ROLES.get(track.kind) or (track.role if track.role in DASH_ROLES else "")
    accessible: list[tuple[str, str, str]] = []
    if track.type == "audio":
        role = wanted or ("main" if defaults(tracks)[number] else "alternate")
        if track.kind in ACCESSIBLE:
            accessible = [("Accessibility", PURPOSE, FOR_THE_BLIND)]
    else:
        role = wanted or "subtitle"
        if role == "caption":
            accessible = [("Accessibility", PURPOSE, FOR_THE_DEAF)]
    return [*accessible, ("Role", ROLE, role)]


def _name(
    adaptation: ElementTree.Element, label: str, purposes: Sequence[tuple[str, str, str]]
) -> None:
    """In the order of the schema: label, accessibility, role."""
    for name in ("Label", "Accessibility", "Role"):
        for element in adaptation.findall(f"{{{DASH}}}{name}"):
            adaptation.remove(element)
    place = sum(element.tag in BEFORE for element in adaptation)
    made = ElementTree.Element(f"{{{DASH}}}Label")
    made.text = label
    described = [
        ElementTree.Element(f"{{{DASH}}}{name}", schemeIdUri=scheme, value=value)
        for name, scheme, value in purposes
    ]
    adaptation[place:place] = [made, *described]
