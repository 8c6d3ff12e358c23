"""Measuring what was encoded, and stopping what is not good enough."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from taskengine.actions.context import Context
from taskengine.actions.materials import bench_of, fetch, gather, local_name
from taskengine.actions.pace import Pace
from taskengine.actions.registry import action
from taskengine.actions.together import together
from taskengine.media.extensions import ENCODABLE, suffix
from taskengine.media.ffmpeg import OnProgress, refuse
from taskengine.media.probe import OutputWrong, probe_source
from taskengine.media.quality import METRICS, Measurement, Reference, has_filter, measure
from taskengine.media.times import webvtt_time
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import JsonObject, PermanentFailure
from taskengine.runtime.process import ProcessFailed


async def check_measures(context: Context, names: Collection[str]) -> None:
    """Raises PermanentFailure if one cannot be taken, before hours are spent on the encoding."""
    for name in names:
        wanted = METRICS[name].filter
        if not await has_filter(_bench(context, name), wanted):
            raise PermanentFailure(
                f"quality.{name}: the ffmpeg of this engine has no filter {wanted}; the option"
                " vmaf_ffmpeg of its configuration names one that has"
            )


@action("vodstream.measure_quality")
async def measure_quality(
    context: Context,
    *,
    source: dict[str, str],
    files: list[str],
    tracks: list[JsonObject],
    quality: dict[str, dict[str, float]],
    retries: int = 0,
) -> JsonObject:
    """Measure all renditions of an encoded source; fail if the best one is not good enough."""
    folder = await context.open_folder(**source)
    [name] = [file for file in files if suffix(file) in ENCODABLE]
    path = context.scratch / f"source-{local_name(0, name)}"
    await fetch(context, folder, name, path, retries)
    videos = [one for one in tracks if one["type"] == "video"]
    made = await gather(context, videos, folder, retries)
    media = await probe_source(bench_of(context), path, name)
    stream = next(one for one in media.streams if one.track.type == "video")
    measuring = _Measuring(context, name, Reference(path, media, stream, made[0]))
    found = await measuring.all(made, list(quality))
    for track, measures in zip(made, found, strict=True):
        for one, value in measures.items():
            await context.info(f"Quality of {_told(track, one, value)}")
    for one, gate in quality.items():
        _check(made[0], one, found[0][one], gate)
    return {"renditions": list(map(_rendition, made, found))}


@dataclass(slots=True)
class _Measuring:
    """Side by side, with one progress of all."""

    context: Context
    label: str
    reference: Reference
    _fractions: dict[int, float] = field(default_factory=dict, init=False)

    async def all(
        self, tracks: Sequence[Track], names: Sequence[str]
    ) -> list[dict[str, Measurement]]:
        """What was measured of each track, by the names of measures."""
        wanted = [(track, name) for track in tracks for name in names]
        lasts = self.reference.media.duration * len(wanted)
        pace = Pace(self.context, f"{self.label}: quality", lasts)
        found = await together(
            partial(self._one, track, name, self._share(place, len(wanted), pace))
            for place, (track, name) in enumerate(wanted)
        )
        rows = iter(found)
        return [{name: next(rows) for name in names} for _ in tracks]

    def _share(self, place: int, number: int, pace: Pace) -> OnProgress:
        async def on_progress(fraction: float) -> None:
            self._fractions[place] = fraction
            await pace(sum(self._fractions.values()) / number)

        return on_progress

    async def _one(self, track: Track, name: str, on_progress: OnProgress) -> Measurement:
        bench = _bench(self.context, name)
        try:
            return await measure(bench, self.reference, track, name, on_progress)
        except ProcessFailed as failure:
            refuse(failure, self.reference.path, self.label, "cannot be measured")
        except OutputWrong as wrong:
            raise PermanentFailure(f"{self.label}: {wrong}") from wrong


def _bench(context: Context, name: str) -> Bench:
    """With the ffmpeg that takes a measure."""
    bench = bench_of(context)
    if name == "vmaf" and context.vmaf_ffmpeg:
        return replace(bench, tools=replace(bench.tools, ffmpeg=context.vmaf_ffmpeg))
    return bench


def _check(track: Track, name: str, found: Measurement, gate: Mapping[str, float]) -> None:
    """Raises PermanentFailure for what is worse than it has to be."""
    values = {"minimum": found.mean, "worst_second": found.worst}
    if missed := [f"{key} {least:g}" for key, least in gate.items() if values[key] < least]:
        wanted = " and ".join(missed)
        raise PermanentFailure(f"quality: {_told(track, name, found)}; expected {wanted}")


def _told(track: Track, name: str, found: Measurement) -> str:
    unit = METRICS[name].unit
    return (
        f"{track.name}, {track.width}x{track.height}: {name} is {found.mean:.2f}{unit} on the"
        f" whole, and {found.worst:.2f}{unit} in its worst second, at {webvtt_time(found.second)}"
    )


def _rendition(track: Track, found: Mapping[str, Measurement]) -> JsonObject:
    return {
        "track": track.name,
        "width": track.width,
        "height": track.height,
        **{name: value.to_json() for name, value in found.items()},
    }
