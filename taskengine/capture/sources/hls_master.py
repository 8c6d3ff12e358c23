"""Multivariant playlists: which tracks an HLS source offers, and the playlist of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from taskengine.capture.model import SourceRefused, SourceTrack, TrackType
from taskengine.capture.sources.hls_tags import Lines, whole

MAX_RENDITIONS = 1_000
VIDEO_CODECS = ("avc", "hvc", "hev", "dvh", "dva", "av01", "vp0", "vp9")
AUDIO_CODECS = ("mp4a", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "mp3")
MUXED = "#audio"  # behind a playlist's URL: the sound that lies in its segments
DESCRIBES = "public.accessibility.describes-video"
TRANSCRIBES = "public.accessibility.transcribes-spoken-dialog"


@dataclass(frozen=True, slots=True)
class Master:
    """`playlists` by track; `variables` are there for playlists to import."""

    tracks: tuple[SourceTrack, ...]
    playlists: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


def is_master(text: str) -> bool:
    return "#EXT-X-STREAM-INF" in text


def read_master(text: str, url: str) -> Master:
    """Raises SourceRefused. A media playlist by itself offers pictures, and perhaps sound."""
    if not is_master(text):
        alone = SourceTrack(url, "video")
        muxed = SourceTrack(url + MUXED, "audio", is_default=True, inside=url)
        return Master((alone, muxed), {track.id: url for track in (alone, muxed)})
    variants: list[tuple[str, Mapping[str, str]]] = []
    groups: list[Mapping[str, str]] = []
    images: list[Mapping[str, str]] = []
    lines = Lines(text, url)
    pending: Mapping[str, str] | None = None
    for tag in lines:
        if tag.name == "EXT-X-STREAM-INF":
            pending = tag.attributes
        elif tag.name == "EXT-X-MEDIA":
            groups.append(tag.attributes)
        elif tag.name == "EXT-X-IMAGE-STREAM-INF":
            images.append(tag.attributes)
        elif not tag.name and pending is not None:
            variants.append((lines.resolved(tag.value), pending))
            pending = None
        if len(variants) + len(groups) + len(images) > MAX_RENDITIONS:
            raise SourceRefused(f"it offers more than {MAX_RENDITIONS} renditions")
    found = chain(_tracks(variants, groups, lines), _of_images(images, lines))
    tracks = {track.id: track for track in found}
    playlists = {track_id: track_id.removesuffix(MUXED) for track_id in tracks}
    return Master(tuple(tracks.values()), playlists, lines.variables)


def _tracks(
    variants: Sequence[tuple[str, Mapping[str, str]]],
    groups: Sequence[Mapping[str, str]],
    lines: Lines,
) -> Iterator[SourceTrack]:
    captions = {
        group: tuple(_services(one for one in groups if one.get("GROUP-ID") == group))
        for group in {attributes.get("CLOSED-CAPTIONS", "") for _, attributes in variants}
    }
    playlists = {lines.resolved(one["URI"]) for one in groups if one.get("URI")}
    seen: set[str] = set()
    for url, attributes in variants:
        if url in seen or url in playlists:  # of several sound groups, or the sound's own
            continue
        seen.add(url)
        yield from _of_variant(url, attributes, captions)
    yield from (track for one in groups if (track := _of_group(one, variants, lines)))


def _of_variant(
    url: str, attributes: Mapping[str, str], captions: Mapping[str, tuple[str, ...]]
) -> Iterator[SourceTrack]:
    codecs = [one.strip() for one in attributes.get("CODECS", "").split(",") if one.strip()]
    pictures = [one for one in codecs if one.lower().startswith(VIDEO_CODECS)]
    sounds = [one for one in codecs if one.lower().startswith(AUDIO_CODECS)]
    width, _, height = attributes.get("RESOLUTION", "").partition("x")
    bitrate = whole(attributes.get("BANDWIDTH", ""))
    codec = sounds[0] if sounds else ""
    sound = SourceTrack(url + MUXED, "audio", codec=codec, is_default=True, inside=url)
    if codecs and not pictures and not height:
        yield SourceTrack(url, "audio", bitrate, ",".join(sounds), is_default=True)
        return
    yield SourceTrack(
        url,
        "video",
        bitrate,
        pictures[0] if pictures else "",
        width=whole(width),
        height=whole(height),
        frame_rate=_number(attributes.get("FRAME-RATE", "")),
        captions=captions.get(attributes.get("CLOSED-CAPTIONS", ""), ()),
    )
    if "AUDIO" not in attributes and (sounds or not codecs):
        yield sound


def _of_group(
    attributes: Mapping[str, str], variants: Iterable[tuple[str, Mapping[str, str]]], lines: Lines
) -> SourceTrack | None:
    """A rendition with a playlist of its own; one without lies in the variants that name it."""
    kinds: dict[str, TrackType] = {"AUDIO": "audio", "SUBTITLES": "text"}
    kind = kinds.get(attributes.get("TYPE", ""))
    if kind is None:
        return None
    inside = ""
    if uri := attributes.get("URI"):
        track_id = lines.resolved(uri)
    else:
        group = attributes.get("GROUP-ID")
        holders = [url for url, one in variants if one.get(attributes["TYPE"]) == group]
        if kind != "audio" or not holders:
            return None
        track_id, inside = holders[0] + MUXED, holders[0]
    marks = attributes.get("CHARACTERISTICS", "")
    return SourceTrack(
        track_id,
        kind,
        codec=_sound_of(attributes.get("GROUP-ID"), variants) if kind == "audio" else "",
        language=attributes.get("LANGUAGE", ""),
        role="caption" if TRANSCRIBES in marks else "",
        kind="main-desc" if DESCRIBES in marks else "",
        name=attributes.get("NAME", ""),
        channels=whole(attributes.get("CHANNELS", "").partition("/")[0]),
        is_default=attributes.get("DEFAULT") == "YES",
        inside=inside,
    )


def _of_images(images: Iterable[Mapping[str, str]], lines: Lines) -> Iterator[SourceTrack]:
    """Playlists of thumbnails; RESOLUTION is that of one of them (Roku's image media playlists)."""
    for attributes in images:
        if uri := attributes.get("URI"):
            width, _, height = attributes.get("RESOLUTION", "").partition("x")
            yield SourceTrack(
                lines.resolved(uri),
                "image",
                whole(attributes.get("BANDWIDTH", "")),
                "jpeg",
                width=whole(width),
                height=whole(height),
            )


def _sound_of(group: str | None, variants: Iterable[tuple[str, Mapping[str, str]]]) -> str:
    for _, attributes in variants:
        if attributes.get("AUDIO") == group:
            codecs = (one.strip() for one in attributes.get("CODECS", "").split(","))
            return next((one for one in codecs if one.lower().startswith(AUDIO_CODECS)), "")
    return ""


def _services(groups: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """`CC1=eng`, `SERVICE1=eng`."""
    for one in groups:
        if one.get("TYPE") == "CLOSED-CAPTIONS" and one.get("INSTREAM-ID"):
            yield f"{one['INSTREAM-ID']}={one.get('LANGUAGE', '')}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
