"""Captions that lie inside the pictures of a result: signalled, and as tracks of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import trio

from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of
from taskengine.capture.cues import Cue, write_webvtt
from taskengine.capture.filters import Matches
from taskengine.capture.inside import captions, repeated
from taskengine.capture.model import SourceTrack
from taskengine.capture.pieces import ADJACENT, Span
from taskengine.media.cc_data import SEI, CcData, PacketPlaces, read_cc_data
from taskengine.media.languages import normal_language
from taskengine.media.tracks import Track


async def with_captions(
    context: Context,
    tracks: Sequence[Track],
    declared: Sequence[str],
    admitted: Matches,
    joints: Sequence[Fraction],
    packets: Mapping[str, PacketPlaces],
) -> list[Track]:
    """The tracks, those of pictures with the services inside them, and one of text for each
    service that says anything and that the clip's filter lets through; none for one of CEA-708 that
    says what CEA-608 says.

    `declared` is what the source says of its services; at `joints` other pictures begin; `packets`
    are those of each file of pictures.
    """
    video = next((one for one in tracks if one.type == "video"), None)
    if video is None or video.codec not in SEI:
        return list(tracks)
    path = bench_of(context).folder / video.file
    data = _Noted(read_cc_data(path, video.codec, packets[video.file]))
    length = Fraction(str(video.end))
    found = await trio.to_thread.run_sync(captions, data, length, joints)
    if not data.has_any:
        return list(tracks)
    languages = dict(one.partition("=")[::2] for one in declared)
    languages = {service: languages.get(service, "") for service in (*languages, *found)}
    left = repeated(found)
    text = {service: cues for service, cues in found.items() if cues and service not in left}
    made = [await _track(context, *one, languages[one[0]]) for one in text.items()
            if admitted(SourceTrack("", "text", language=languages[one[0]]))]  # fmt: skip
    signalled = _signalled(languages)
    return [
        *(replace(one, captions=signalled) if one.type == "video" else one for one in tracks),
        *(replace(one, zero=video.zero, began=video.began) for one in made),
    ]


def joints(clips: Sequence[Sequence[Span]]) -> list[Fraction]:
    """Where in the result of these clips pictures begin that did not follow the ones before."""
    found: list[Fraction] = []
    at = Fraction(0)
    for spans in clips:
        before: Fraction | None = None
        for span in spans:
            if before is None or abs(span.start - before) > ADJACENT:
                found.append(at)
            at, before = at + span.length, span.end
    return found[1:]


def _signalled(languages: Mapping[str, str]) -> str:
    return ";".join(
        f"{service}={normal_language(language or 'und')}" for service, language in languages.items()
    )


@dataclass(slots=True)
class _Noted:
    """What goes by, once, is noted: a long clip's data is too much to hold."""

    data: Iterable[CcData]
    has_any: bool = False

    def __iter__(self) -> Iterator[CcData]:
        for one in self.data:
            self.has_any = True
            yield one


async def _track(context: Context, service: str, cues: Sequence[Cue], language: str) -> Track:
    target = bench_of(context).folder / f"captions-{service.lower()}.vtt"
    await trio.Path(target).write_text(write_webvtt(cues), "utf-8")
    return Track(
        "text",
        target.name,
        codec="webvtt",
        language=normal_language(language or "und"),
        duration=float(cues[-1].end),
        role="caption",
    )
