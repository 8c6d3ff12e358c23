"""Markers in manifests: EXT-X-DATERANGE in playlists, an event stream in an MPD; and read again."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from defusedxml.ElementTree import fromstring

from taskengine.media.markers import Marker
from taskengine.media.scte35 import CLOCK, read_message

BEGAN: Final = datetime(1970, 1, 1, tzinfo=UTC)  # the date of a result that has none
DATE: Final = "#EXT-X-PROGRAM-DATE-TIME:"
LENGTH: Final = re.compile(r"#EXTINF:(\d+(?:\.\d+)?)")
PERIOD: Final = re.compile(r"<Period\b[^>]*[^/]>\n?")
SCHEME: Final = "urn:scte:scte35:2014:xml+bin"
DASH: Final = "{urn:mpeg:dash:schema:mpd:2011}"
OWN: Final = "urn:taskengine:interstitial"  # attributes of events that the schema leaves to others
BINARY: Final = "{http://www.scte.org/schemas/35/2016}Binary"


def mark_playlist(text: str, markers: Sequence[Marker], *, with_markers: bool = True) -> str:
    """A media playlist with a date for its first segment, if it has none, and date ranges; all
    playlists of a result get the date, those of captions and keyframes that alone."""
    lines = text.splitlines()
    lengths = [Fraction(found[1]) for line in lines if (found := LENGTH.match(line))]
    ends = list(accumulate(lengths))
    began, is_dated = _began(lines)
    waiting = [*date_ranges(markers, began)] if with_markers else []
    made: list[str] = []
    number = 0
    for line in lines:
        if LENGTH.match(line):
            if not is_dated:
                made.append(f"{DATE}{date_text(began)}")
                is_dated = True
            is_last, end = number + 1 == len(ends), ends[number]
            made += [tag for at, tag in waiting if at < end or is_last]
            waiting = [(at, tag) for at, tag in waiting if at >= end and not is_last]
            number += 1
        made.append(line)
    return "\n".join(made) + "\n"


def mark_mpd(text: str, markers: Sequence[Marker]) -> str:
    """An MPD of one period with an event for each message."""
    events = "".join(
        _event(*one, _assets(marker) if one[0] % 2 else "")
        for marker in markers
        for one in _events(marker)
    )
    head = f'    <EventStream schemeIdUri="{SCHEME}" timescale="{CLOCK}">\n'
    stream = f"{head}{events}    </EventStream>\n"
    return PERIOD.sub(lambda found: found[0].rstrip("\n") + "\n" + stream, text, count=1)


def read_markers(text: str) -> list[Marker]:
    """What `mark_mpd` has written."""
    found: dict[int, Marker] = {}
    for event in fromstring(text.encode()).iter(f"{DASH}Event"):
        number, is_back = divmod(int(event.get("id", 0)) - 1, 2)
        section = base64.b64decode(event.findtext(f".//{BINARY}") or "")
        time = Fraction(int(event.get("presentationTime", 0)), CLOCK)
        length = event.get("duration")
        if is_back and number in found:
            found[number] = _ended(found[number], time, section)
            continue
        is_out = length is not None or read_message(section).is_out
        duration = Fraction(int(length), CLOCK) if length is not None else None
        one = Marker(number + 1, time, duration)
        uri, listed = (event.get(f"{{{OWN}}}{name}", "") for name in ("assetUri", "assetList"))
        one = replace(one, asset_uri=uri, asset_list=listed)
        found[number] = replace(one, out=section) if is_out else replace(one, other=section)
    return [found[number] for number in sorted(found)]


def _ended(one: Marker, time: Fraction, section: bytes) -> Marker:
    """A break with the message of its end. Where nothing gives way to it, that comes at once, and
    only the message says how long it is."""
    if one.duration is None and time == one.start:
        one = replace(one, duration=read_message(one.out).duration, is_inserted=True)
    return replace(one, back=section)


def mark(folder: Path, playlists: str, mpd: str, markers: Sequence[Marker]) -> None:
    """The manifests of a packaged result: its playlists, by a pattern, and its MPD, if it has one.
    Blocking."""
    for path in sorted(folder.glob(playlists)):
        text = path.read_text("utf-8")
        is_media = "#EXT-X-I-FRAMES-ONLY" not in text and ".vtt" not in text
        path.write_text(mark_playlist(text, markers, with_markers=is_media), "utf-8")
    if mpd:
        path = folder / mpd
        path.write_text(mark_mpd(path.read_text("utf-8"), markers), "utf-8")


def _events(marker: Marker) -> Iterator[tuple[int, Fraction, Fraction | None, bytes]]:
    """An id, a time, a duration and a message; ids are odd but for the ends of breaks."""
    length = None if marker.is_inserted else marker.duration  # of the media that gives way
    yield 2 * marker.id - 1, marker.start, length, marker.out or marker.other
    if marker.back and marker.end is not None:
        yield 2 * marker.id, marker.end, None, marker.back


def _assets(marker: Marker) -> str:
    """What the same set's HLS says of interstitials, for whoever makes that of the MPD again."""
    said = {"assetUri": marker.asset_uri, "assetList": marker.asset_list}
    found = "".join(f" own:{name}={quoteattr(uri)}" for name, uri in said.items() if uri)
    return f' xmlns:own="{OWN}"{found}' if found else ""


def _event(
    number: int, time: Fraction, duration: Fraction | None, message: bytes, more: str = ""
) -> str:
    length = "" if duration is None else f' duration="{round(duration * CLOCK)}"'
    return (
        f'      <Event presentationTime="{round(time * CLOCK)}"{length} id="{number}"{more}>'
        f'<Signal xmlns="http://www.scte.org/schemas/35/2016"><Binary>'
        f"{base64.b64encode(message).decode()}</Binary></Signal></Event>\n"
    )


def date_ranges(
    markers: Sequence[Marker], began: datetime, label: str = ""
) -> Iterator[tuple[Fraction, str]]:
    """The tags of HLS, with the time at which each has to be known; `label` tells their ids from
    those of other times that the same markers come."""
    for one in markers:
        id_, date = f"{label}{one.id}", date_text(began, one.start)
        head = f'#EXT-X-DATERANGE:ID="scte35-{id_}",START-DATE="{date}"'
        if one.other:
            yield one.start, f"{head},SCTE35-CMD={_hex(one.other)}"
            continue
        planned = "" if one.duration is None else f",PLANNED-DURATION={_seconds(one.duration)}"
        yield one.start, f"{head}{planned},SCTE35-OUT={_hex(one.out)}"
        if one.asset_uri or one.asset_list:
            yield one.start, _interstitial(one, f"ad-{id_}", date)
        if one.back and one.end is not None:
            length = _seconds(one.end - one.start)
            yield one.end, f"{head},DURATION={length},SCTE35-IN={_hex(one.back)}"


def _interstitial(one: Marker, id_: str, date: str) -> str:
    """For players that show advertising by themselves (RFC 8216bis, appendix D): for as long as the
    break lasts, then on where it says."""
    end, length = one.end or one.start, _seconds(one.duration or Fraction(0))
    kind, uri = ("URI", one.asset_uri) if one.asset_uri else ("LIST", one.asset_list)
    return (
        f'#EXT-X-DATERANGE:ID="{id_}",CLASS="com.apple.hls.interstitial",START-DATE="{date}",'
        f'DURATION={length},X-ASSET-{kind}="{_quotable(uri)}",'
        f"X-RESUME-OFFSET={_seconds(end - one.start)},X-PLAYOUT-LIMIT={length}"
    )


def _quotable(uri: str) -> str:
    return uri.replace('"', "%22")


def _began(lines: Sequence[str]) -> tuple[datetime, bool]:
    """The date of the first segment, and whether it stands there."""
    for line in lines:
        if line.startswith(DATE):
            return datetime.fromisoformat(line.removeprefix(DATE).strip()), True
    return BEGAN, False


def date_text(began: datetime, at: Fraction = Fraction(0)) -> str:
    """A date so many seconds later, as playlists have it."""
    moment = began + timedelta(milliseconds=round(at * 1000))
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(length: Fraction) -> str:
    return f"{float(length):.3f}"


def _hex(message: bytes) -> str:
    return f"0x{message.hex().upper()}"
