"""What a job or a client says of tracks: `track_properties` and `file_properties`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from taskengine.media.extensions import CAPTIONS, SOUND, suffix
from taskengine.media.languages import language_of
from taskengine.media.tracks import Track, TrackType
from taskengine.model import BadInput, Json, JsonObject

SECTIONS: Final[dict[str, TrackType]] = {"audio": "audio", "textstream": "text"}
FIELDS: Final = {"track_name": "name", "track_description": "description",
                 "track_role": "role", "track_language": "language"}  # fmt: skip


def apply_file_properties(track: Track, label: str, properties: JsonObject) -> Track:
    """Language and kind of a track that came from the file of that name."""
    said = properties.get(label) or {}
    if track.type != "audio":  # names of films often end with letters that are a code as well
        named = label if track.type == "text" and suffix(label) in CAPTIONS else ""
        return replace(track, language=language_of(track.language, named))
    name = label if suffix(label) in SOUND else ""
    language = language_of(track.language, name, said.get("language"))
    return replace(track, language=language, kind=said.get("kind") or track.kind)


def apply_track_properties(tracks: Sequence[Track], *rules: JsonObject | None) -> list[Track]:
    """Apply rule sets in order; a later rule wins (A60). Raises BadInput for `role` with `kind`."""
    wanted = [rule for said in rules for rule in _rules(said or {})]
    return [_applied(track, wanted) for track in tracks]


def _applied(track: Track, rules: Iterable[tuple[TrackType, JsonObject]]) -> Track:
    before = track
    for kind, rule in rules:
        if kind == track.type and _matches(before, rule):
            track = _changed(track, rule.get("properties") or {})
    return track


def _changed(track: Track, properties: JsonObject) -> Track:
    said = {FIELDS[key]: str(value) for key, value in properties.items() if key in FIELDS}
    return replace(
        track,
        name=said.get("name", track.name),
        description=said.get("description", track.description),
        role=said.get("role", track.role),
        language=said.get("language", track.language),
    )


def _matches(track: Track, rule: Mapping[str, Json]) -> bool:
    languages = rule.get("language")
    if languages is not None and track.language not in _language_choices(languages):
        return False
    role, kind = rule.get("role"), rule.get("kind")
    return (role is None or role == track.role) and (kind is None or kind == track.kind)


def _language_choices(said: Json) -> list[str]:
    return said if isinstance(said, list) else [said]


def _rules(said: JsonObject) -> Iterator[tuple[TrackType, JsonObject]]:
    for section, kind in SECTIONS.items():
        rules = said.get(section) or []
        for rule in _deprecated(rules) if isinstance(rules, dict) else rules:
            if rule.get("role") is not None and rule.get("kind") is not None:
                raise BadInput("track_properties: a rule has either role or kind, not both")
            yield kind, rule


def _deprecated(rules: JsonObject) -> Iterator[JsonObject]:
    """`{"<language>[_<role>]": {properties}}`, with `|` between alternatives."""
    for text, properties in rules.items():
        pairs = [choice.partition("_") for choice in text.split("|")]
        for language, _, role in pairs:
            filters = {"language": language, **({"role": role} if role else {})}
            yield {**filters, "properties": properties}
