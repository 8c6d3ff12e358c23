"""The live MPD of a stream that loops, over a day of virtual time: it is a function of the time."""

from datetime import datetime
from fractions import Fraction

import pytest
from defusedxml.ElementTree import fromstring

from taskengine.remix.live_mpd import AHEAD, MOST, MOST_AHEAD, LoopingMpd, longest_window
from tests.media.players import DASH, seconds_of
from tests.media.schema import check_mpd

LOOP = Fraction("61.561")  # seconds, of 29.97 pictures a second
START = Fraction(1_924_992_000)  # 2031-01-01T00:00:00Z
DAY, WINDOW = 86_400, 120
SAID = """<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"
 minBufferTime="PT2S" type="static" mediaPresentationDuration="PT61.561S">
  <Period id="0">
    <EventStream schemeIdUri="urn:scte:scte35:2014:xml+bin" timescale="90000">
      <Event presentationTime="540000" duration="900000" id="1" />
    </EventStream>
    <AdaptationSet id="0" contentType="video">
      <Representation id="0" bandwidth="400000" codecs="avc1.64000c" mimeType="video/mp4">
        <BaseURL>v.mp4</BaseURL>
        <SegmentBase indexRange="876-931" timescale="30000"><Initialization range="0-875" />
        </SegmentBase>
      </Representation>
    </AdaptationSet>
  </Period>
</MPD>
"""
MPD = LoopingMpd(SAID, START, LOOP, Fraction(WINDOW))


def parsed(text):
    """What a player knows: attributes of the whole, and of each period its start by its id."""
    root = fromstring(text.encode())
    periods = {
        int(one.get("id")): seconds_of(one.get("start")) for one in root.iter(f"{DASH}Period")
    }
    return root.attrib, periods


def test_a_day_of_mpds_keeps_the_loops_and_their_times():
    """Each change is looked at. What one can go back to is there, what comes next is listed early
    enough, and each loop begins where the one before ends."""
    now, before = START, range(0)
    while now < START + DAY:
        said, periods = parsed(MPD.text(now))
        shown = range(min(periods), max(periods) + 1)
        assert sorted(periods) == list(shown)
        assert all(abs(start - float(turn * LOOP)) < 1e-5 for turn, start in periods.items())
        assert (shown.start, shown.stop) >= (before.start, before.stop)
        assert shown.start * LOOP <= max(0, now - START - WINDOW) < (shown.start + 1) * LOOP
        assert (shown.stop - 1) * LOOP <= now - START + AHEAD < shown.stop * LOOP
        assert datetime.fromisoformat(said["publishTime"]).timestamp() == pytest.approx(
            float(now), abs=0.001
        )
        before, now = shown, MPD.changes(now)
    assert before.stop in (1404, 1405)


def test_an_mpd_stays_until_it_changes_and_is_one_for_whoever_asks():
    now = START + 5_000
    then = MPD.changes(now)
    assert MPD.text(now) == MPD.text(then - Fraction(1, 1000)) != MPD.text(then)
    assert MPD.changes(then - Fraction(1, 1000)) == then < MPD.changes(then)


def test_a_stream_has_no_mpd_before_its_start():
    assert MPD.text(START - 1) == ""
    assert MPD.changes(START - 100) == START
    assert parsed(MPD.text(START))[1] == {0: 0.0}


def test_an_mpd_says_what_players_want_of_a_live_stream(tmp_path):
    text = MPD.text(START + 1_000)
    path = tmp_path / "live.mpd"
    path.write_text(text)
    check_mpd(path)
    said, periods = parsed(text)
    assert (said["type"], said["timeShiftBufferDepth"]) == ("dynamic", "PT120S")
    assert said["availabilityStartTime"] == "2031-01-01T00:00:00.000Z"
    assert "mediaPresentationDuration" not in said
    assert text.count("<Event ") == text.count("v.mp4") == len(periods)


@pytest.mark.parametrize("loop", [Fraction(2), Fraction(1, 25)])
def test_a_short_loop_with_a_long_window_is_bounded(loop):
    short = LoopingMpd(SAID, START, loop, Fraction(21_600))
    _, periods = parsed(short.text(START + DAY))
    assert len(periods) <= MOST + MOST_AHEAD + 2
    assert short.window == longest_window(loop) == MOST * loop
