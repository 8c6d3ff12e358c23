"""Parsers of others agree on what manifests say: tracks, and when segments begin."""

import json
import subprocess
from itertools import accumulate, pairwise

import m3u8
import pytest
from mpegdash.parser import MPEGDASHParser

from tests.media import players
from tests.media.schema import check_mpd
from tests.players import site
from tests.players.conftest import PLAYERS

ROUNDED = 0.01  # seconds


@pytest.fixture(scope="session")
def read_by_node(viewings):
    """What the parsers of video.js read, by result and kind of manifest."""
    results = {name: viewing.result for (name, *_), viewing in viewings.items()}
    items = [{"kind": kind, "path": str(results[name].file(kind))} for name, kind in PLAYERS]
    command = ["node", site.HERE / "parse.mjs"]
    said = json.dumps(items).encode()
    done = subprocess.run(command, input=said, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return dict(zip(PLAYERS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("made", PLAYERS, ids=", ".join)
def test_parsers_agree_on_tracks_and_times(viewings, read_by_node, made):
    """Two alone, and those of the players that have played it."""
    name, kind = made
    seen = {player: viewings[(name, kind, player)] for player in PLAYERS[made]}
    result = next(iter(seen.values())).result
    times, *_ = read_python = READERS[kind](result.file(kind))
    by_node = read_by_node[made]
    found = {
        "python": read_python[1:],
        "node": (by_node["audio"], by_node["text"], by_node["heights"], by_node["seconds"]),
    }
    times_of = {"node": by_node["times"] or times}
    for player, viewing in seen.items():
        if player != "native":
            tracks = viewing.seen["tracks"]
            lists = (sorted(set(tracks[kind])) for kind in ("audio", "text", "heights"))
            found[player] = (*lists, viewing.seen["duration"])
            times_of[player] = viewing.seen["times"]
    expected = sorted(result.languages), sorted(result.texts), sorted(result.heights)
    for who, (*lists, seconds) in found.items():
        assert tuple(lists) == expected, who
        assert seconds == pytest.approx(result.seconds, abs=0.05), who
    for who, read in times_of.items():
        assert read == pytest.approx(times, abs=ROUNDED), who


def read_playlists(path):
    """When segments of pictures begin, the languages of sound and text, the heights, and how long
    it is: as m3u8 reads them."""
    master = m3u8.load(str(path))
    pictures = m3u8.load(str(path.parent / master.playlists[0].uri))
    lengths = [one.duration for one in pictures.segments]
    sound, text = (
        sorted({one.language for one in master.media if one.type == kind})
        for kind in ("AUDIO", "SUBTITLES")
    )
    heights = sorted({one.stream_info.resolution[1] for one in master.playlists})
    return [0, *accumulate(lengths)][:-1], sound, text, heights, sum(lengths)


def read_mpd(path):
    """The same as mpegdash reads it; lengths of segments without a list are those of the index."""
    mpd = MPEGDASHParser.parse(str(path))
    sets = [(period, one) for period in mpd.periods for one in period.adaptation_sets]
    sound, text = (
        sorted({one.lang for _, one in sets if one.content_type == kind})
        for kind in ("audio", "text")
    )
    pictures = [
        (period, one)
        for period, one in sets
        if one.content_type == "video" and not one.essential_properties
    ]
    shown = [one.height or of.height for _, of in pictures for one in of.representations]
    times = []
    for period, one in pictures:
        begin = players.seconds_of(period.start or "PT0S")
        lengths = _lengths(one.representations[0], path)
        times += [begin + start for start in [0, *accumulate(lengths)][:-1]]
    seconds = players.seconds_of(mpd.media_presentation_duration)
    return times, sound, text, sorted(set(shown)), seconds


def _lengths(representation, path):
    """Of its segments, in seconds."""
    if representation.segment_templates:
        [template] = representation.segment_templates
        [timeline] = template.segment_timelines
        return [s.d / template.timescale for s in timeline.Ss for _ in range((s.r or 0) + 1)]
    [base] = representation.segment_bases
    file = path.parent / representation.base_urls[0].base_url_value
    return players.index_lengths(file, base.index_range)


READERS = {"hls": read_playlists, "dash": read_mpd}


def test_all_mpds_of_results_are_valid(viewings):
    """Those that are parked too."""
    folder = next(iter(viewings.values())).result.folder.parent
    found = [path for path in folder.rglob("*_*") if ".mpd" in path.suffixes]
    assert len(found) >= 7
    for path in found:
        check_mpd(path)


def test_playlists_of_one_result_go_on_side_by_side(viewings):
    """A player that changes between them at any segment of pictures finds the same time."""
    for name, kind in PLAYERS:
        if kind == "hls":
            path = viewings[(name, kind, PLAYERS[name, kind][0])].result.file(kind)
            ends = [
                m3u8.load(str(path.parent / one.uri)).segments
                for one in m3u8.load(str(path)).playlists
            ]
            for one, other in pairwise([[s.duration for s in own] for own in ends]):
                assert one == pytest.approx(other, abs=ROUNDED)
