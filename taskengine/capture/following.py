"""Following a clip's sources: what they offer is wanted, fetched, checked and kept.

One task for each source reads its manifests; some tasks fetch what is wanted most. It ends when
all of the range was had or given up, and no source will offer more of it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Final

import trio

from taskengine.capture.clip import Clip, Range, named
from taskengine.capture.demand import (
    PATIENCE,
    Demand,
    TooMany,
    WantedStretch,
    most_urgent,
    shortage,
    until_due,
)
from taskengine.capture.encryption.proof import Proof
from taskengine.capture.fetching import Fetcher
from taskengine.capture.locks import Failures, Locks, locked_reason
from taskengine.capture.model import NEEDED, Segment, SourceAway, SourceRefused, Time
from taskengine.capture.moments import told
from taskengine.capture.noting import Listener
from taskengine.capture.racing import Race
from taskengine.capture.recording import Recording
from taskengine.capture.sources.matching import nearest
from taskengine.capture.streams import Stream, on_clock, open_stream, window_of
from taskengine.capture.web import Web
from taskengine.model import PermanentFailure

AT_ONCE: Final = 500  # segments that are looked at before others have a turn
FETCHERS: Final = 8  # segments at once
MARGIN: Final = Fraction(1, 4)  # seconds around the range: sound, and pictures shown out of order
REFUSED_PAUSE: Final = 10.0  # seconds until one is read again whose manifest was no good
LONGEST_PAUSE: Final = 2.0  # seconds between two readings of a source that is away
IDLE: Final = 0.25  # seconds between looks for something to fetch

Tell = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class Following:
    """Records one clip. `now` is the time since 1970."""

    clip: Clip
    web: Web
    recording: Recording
    scratch: Path
    now: Callable[[], Time]
    info: Tell
    warn: Tell
    proof: Proof
    range: Range | None = None
    demands: dict[str, Demand] = field(default_factory=dict)
    _known: trio.Event = field(default_factory=trio.Event)
    _changed: trio.Event = field(default_factory=trio.Event)
    _reasons: dict[int, str] = field(default_factory=dict)  # why a source is of no use
    _began: Time = Fraction(0)
    fetcher: Fetcher = field(init=False)
    listener: Listener = field(init=False)

    def __post_init__(self) -> None:
        locks = Locks(self.web, self.clip.keys, self.proof)
        self.listener = Listener(self.recording, f"clip {self.clip.place}", self.warn)
        self.fetcher = Fetcher(self.web, self.recording, self.scratch, locks)

    async def run(self) -> Range:
        """Until all was had that could be. Raises PermanentFailure with the reason."""
        self._began = self.now()
        await self.recording.load()
        await self.listener.noted.load()
        await self._recall()
        async with trio.open_nursery() as nursery:
            for place in range(len(self.clip.sources)):
                nursery.start_soon(self._follow, place)
            await self._found()
            for _ in range(FETCHERS):
                nursery.start_soon(self._fetch)
            while not self._is_complete():
                await self._something()
            nursery.cancel_scope.cancel()
        await self.recording.write_page()
        await self.listener.noted.write()
        self.fetcher.locks.check()
        if problem := self.fetcher.locks.weakness:
            await self.warn(f"Clip {self.clip.place}: {problem}")
        assert self.range is not None
        found, demands = self.range, list(self.demands.values())
        if why := shortage(demands, found.start, found.end, has_clock=found.has_clock):
            raise PermanentFailure(f"clip {self.clip.place}: {why}")  # A74
        return found

    @property
    def share(self) -> float:
        """How much of the range was fetched or given up, in time, 0..1."""
        return fmean([one.share for one in self.demands.values()] or [0.0])

    async def _something(self, seconds: float = IDLE) -> None:
        """Until anything was read, fetched or given up, or some time has passed."""
        with trio.move_on_after(seconds):
            await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # What the clip is

    async def _recall(self) -> None:
        """An earlier attempt has seen the stream: its offsets count from what it saw."""
        said = await self.recording.read_note("clip.json")
        if said is not None:
            self._want(Range.of_json(json.loads(said)))

    async def _found(self) -> None:
        """Until a source told what it offers. Raises PermanentFailure if none does in time."""
        with trio.move_on_after(self._patience()):
            while not self._known.is_set():
                if len(self._reasons) == len(self.clip.sources) and all(
                    reason.startswith("!") for reason in self._reasons.values()
                ):
                    break
                with trio.move_on_after(IDLE):
                    await self._known.wait()
            if self._known.is_set():
                return
        told_by = sorted(self._reasons.items())
        reasons = "; ".join(f"source {place}: {said.removeprefix('!')}" for place, said in told_by)
        raise PermanentFailure(f"clip {self.clip.place}: no source can be read: {reasons}")

    def _patience(self) -> float:
        end = self.clip.end
        left = 0.0 if end is None or end.is_offset else float(end.time - self.now())
        return max(0.0, left) + PATIENCE

    async def _learn(self, stream: Stream) -> None:
        """From the first source that can be read: which tracks, and which times."""
        if self.range is not None:
            return
        chosen = self.clip.chosen(stream.tracks)
        first = await stream.window(chosen[0])
        if not first.segments and not first.is_over:
            raise SourceAway("it offers no media yet")
        if self.range is None:
            found = self.clip.ranged(named(chosen), first, self.now())
            self._want(found)
            await self.recording.write_note("clip.json", json.dumps(found.to_json()))
            await self._told_range(found)

    async def _told_range(self, found: Range) -> None:
        head = f"Clip {self.clip.place}"
        await self.info(f"{head}: from {found.told()}, {', '.join(found.tracks)}")
        if found.has_clock and self.clip.has_offsets:
            first = told(found.start, has_clock=True)
            await self.warn(f"{head}: offsets count from {first}, the first media offered")

    def _want(self, found: Range) -> None:
        self.range = found
        self.fetcher.bitrates = {name: track.bitrate for name, track in found.fetched.items()}
        for name in found.fetched:
            demand = Demand(name, found.start - MARGIN, found.end + MARGIN)
            for one in self.recording.of(name):
                demand.cover(one.start, one.end)
            self.demands[name] = demand
        self._known.set()

    # Sources

    async def _follow(self, place: int) -> None:
        """Read a source again and again; one that is away is asked again after a pause."""
        url, pause, stream = self.clip.sources[place], 0.5, None
        while True:
            try:
                stream = stream or await open_stream(url, self.web.get, self.now)
                await self._learn(stream)
                refresh = await self._read(place, stream)
                self._change()
                if self._reasons.pop(place, None):
                    for demand in self.demands.values():
                        demand.returned(place, trio.current_time())
                    await self.info(f"Source {place} of clip {self.clip.place} answers again")
                pause = 0.5
            except SourceAway as away:
                await self._note_away(place, str(away))
                refresh, pause = pause, min(2 * pause, LONGEST_PAUSE)
            except SourceRefused as refusal:
                await self._note_away(place, f"!{refusal}")
                refresh, stream = REFUSED_PAUSE, None
            except TooMany as many:
                raise PermanentFailure(f"clip {self.clip.place}: {many}") from None
            if refresh is None:
                return
            await trio.sleep(refresh)

    async def _note_away(self, place: int, reason: str) -> None:
        if place not in self._reasons:
            shown = reason.removeprefix("!")
            await self.warn(f"Source {place} of clip {self.clip.place} cannot be read: {shown}")
        self._reasons[place] = reason
        self._change()  # it may have offered something before

    async def _read(self, place: int, stream: Stream) -> float | None:
        """Its windows; seconds until the next reading, None if there is none."""
        assert self.range is not None
        refresh, begins = None, None
        for name, track in self.range.fetched.items():
            own = nearest(track, [one for one in stream.tracks if not one.inside])
            if own is None:
                continue
            try:
                window = await window_of(stream, own, is_missed=place in self.demands[name].misses)
                window = on_clock(window, begins) if self.range.has_clock else window
            except (SourceAway, SourceRefused) as error:
                if track.type in NEEDED:
                    raise
                # Captions and images that cannot be read hold up neither pictures nor sound.
                if self.demands[name].missed(place, trio.current_time()):
                    await self.warn(f"Source {place} of clip {self.clip.place}: {name}: {error}")
                refresh = min(refresh or REFUSED_PAUSE, REFUSED_PAUSE)
                continue
            begins = window.start if begins is None else begins
            for part in window.parts(AT_ONCE):
                self.demands[name].offer(place, window, trio.current_time(), part)
                await trio.lowlevel.checkpoint()
            self._pass_over(name, place)
            if track.type == self.range.speaker:
                await self.listener.hear(place, window)
            if not window.is_over:
                refresh = min(window.refresh, refresh or window.refresh)
        return refresh

    def _pass_over(self, name: str, place: int) -> None:
        """What an earlier attempt has is not fetched again."""
        demand = self.demands[name]
        for stretch in list(demand.open):
            segment = stretch.offers.get(place)
            if segment is not None and self.recording.has(name, place, segment):
                demand.fetched(stretch, segment.start, segment.end)

    # Segments

    async def _fetch(self) -> None:
        """Fetch what is wanted most, one after the other."""
        while True:
            stretch = most_urgent(self.demands.values(), trio.current_time())
            if stretch is None:
                await self._something(until_due(self.demands.values(), trio.current_time()))
                continue
            offers = partial(self._in_order, stretch)
            race = Race(self.fetcher, stretch.track, offers, is_live=bool(stretch.rolls_off))
            if (had := await race.run()) is None:
                await self._failed(stretch, race.failures)
            else:
                self.demands[stretch.track].fetched(stretch, had.start, had.end)
            self._change()

    def _in_order(self, stretch: WantedStretch) -> Sequence[tuple[int, Segment]]:
        """The sources that offer it; those that are away last."""
        return sorted(stretch.offers.items(), key=lambda one: (one[0] in self._reasons, one[0]))

    async def _failed(self, stretch: WantedStretch, failures: Failures) -> None:
        """Raises PermanentFailure for what no key opens."""
        demand = self.demands[stretch.track]
        if stretch not in demand.open:
            return
        reasons = {place: str(error) for place, error in failures.items()}
        is_given_up = demand.failed(stretch, reasons, trio.current_time())
        sources = None if is_given_up else len(self.clip.sources)
        if why := locked_reason(failures, sources):
            raise PermanentFailure(f"clip {self.clip.place}: {stretch.track} is encrypted, {why}")
        if is_given_up:
            assert self.range is not None
            at = told(stretch.start, has_clock=self.range.has_clock)
            why = "; ".join(f"source {place}: {said}" for place, said in stretch.reasons.items())
            await self.warn(f"Clip {self.clip.place}, {stretch.track} at {at}: given up: {why}")

    def _is_complete(self) -> bool:
        """Also when the range is over for so long that no source will offer more of it."""
        now = trio.current_time()
        if all(one.is_complete() or one.is_lost(now) for one in self.demands.values()):
            return True
        assert self.range is not None
        if any(demand.open for demand in self.demands.values()) or not self.range.has_clock:
            return False
        overdue = float(self.now() - max(self.range.end, self._began))
        is_away = len(self._reasons) == len(self.clip.sources)
        return overdue > (PATIENCE if is_away else 2 * PATIENCE)
