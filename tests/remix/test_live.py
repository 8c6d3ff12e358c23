"""A live stream that loops, over a day of virtual time: playlists are a function of the time."""

import re
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

import pytest

from taskengine.media.markers import Marker
from taskengine.media.scte35 import splice_insert
from taskengine.remix.live import LoopingStream, read_track

LOOP = Fraction("61.561")  # seconds, of 29.97 pictures a second
START = Fraction(1_924_977_600)  # 2031-01-01T00:00:00Z
DAY = 86_400
HEAD = (
    '#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:5\n#EXT-X-MAP:URI="{0}.mp4",BYTERANGE="8@0"\n'
)
OUT = splice_insert(1, Fraction(6), Fraction(10), is_out=True)
BACK = splice_insert(1, Fraction(16), is_out=False)
MARKER = Marker(1, Fraction(6), Fraction(10), OUT, BACK)


def vod(name, lengths):
    body = "".join(f"#EXTINF:{length},\n#EXT-X-BYTERANGE:10{'@9' * (not n)}\n{name}.mp4\n"
                   for n, length in enumerate(lengths))  # fmt: skip
    return f"{HEAD.format(name)}#EXT-X-PLAYLIST-TYPE:VOD\n{body}#EXT-X-ENDLIST\n"


VIDEO = read_track(vod("v", ["4.004"] * 15 + ["1.501"]), LOOP)
AUDIO = read_track(vod("a", ["4.011", "3.989"] * 7 + ["4.011", "1.574"]), LOOP)
STREAM = LoopingStream(START, Fraction(120), [MARKER])


def parsed(text):
    """What a player knows of a playlist: of each segment its number, its discontinuity, its date if
    it has one, and its bytes."""
    number = int(re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", text)[1])
    turn = int(re.search(r"#EXT-X-DISCONTINUITY-SEQUENCE:(\d+)", text)[1])
    date, found, length, piece = None, [], None, None
    for line in text.splitlines():
        if line == "#EXT-X-DISCONTINUITY":
            turn += 1
        elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            date = datetime.fromisoformat(line.partition(":")[2]).timestamp()
        elif line.startswith("#EXTINF:"):
            length = float(line[8:-1])
        elif line.startswith("#EXT-X-BYTERANGE:"):
            piece = line.partition(":")[2]
        elif not line.startswith("#"):
            found.append((number, turn, date, piece, length))
            number, date = number + 1, None
    return found


@pytest.mark.parametrize("track", [VIDEO, AUDIO], ids=["pictures", "sound"])
def test_a_day_of_playlists_keeps_the_numbers_of_its_segments(track):
    """Each change of two loops is looked at, then one within each window. A segment keeps its
    number, its discontinuity, its bytes and its date, is offered when it is over, and for as long
    as the window says."""
    now, known, before = START, {}, range(0)
    while now < START + DAY:
        rest = 0 if now < START + 2 * LOOP else 113
        now = STREAM.changes(track, now + rest)
        found = parsed(STREAM.playlist(track, now))
        shown = range(found[0][0], found[-1][0] + 1)
        assert shown.start >= before.start
        assert shown.stop >= before.stop
        for number, turn, date, piece, _ in found:
            known.setdefault(number, (turn, piece))
            assert known[number] == (turn, piece)
            turn, place = divmod(number, 16)
            begins = START + turn * LOOP + sum(one.length for one in track.segments[:place])
            assert date is None or abs(date - float(begins)) <= 0.0011
            assert (date is None) == (place != 0 and number != shown.start)
        assert STREAM.start + track.end(shown.stop - 1) <= now
        length = now - (START + track.begin(shown.start))
        assert length < STREAM.window + 5
        assert length >= min(STREAM.window, now - START - 5)
        before = shown
    assert sorted(known) == list(range(len(known)))
    assert len(known) == track.ended(now - START)
    assert {turn for turn, _ in known.values()} == set(range(len(known) // 16 + 1))
    assert len(known) // 16 == 1403 or now > START + DAY + 60


def test_pictures_and_sound_are_of_one_time_after_a_day():
    """Their sums differ; the loop does not. After 1,403 loops both begin it together."""
    for turn in range(0, 1404, 39):
        dates = [track.begin(16 * turn) for track in (VIDEO, AUDIO)]
        assert dates == [turn * LOOP] * 2
    assert VIDEO.ended(Fraction(DAY)) // 16 == AUDIO.ended(Fraction(DAY)) // 16 == 1403


def test_whoever_asks_later_gets_the_same():
    """Nothing is remembered: instances take turns, and one that was away for hours goes on."""
    moments = [START + Fraction(n, 7) for n in range(1, 40_000, 977)]
    one = [STREAM.playlist(VIDEO, now) for now in moments]
    assert [STREAM.playlist(VIDEO, now) for now in reversed(moments)] == one[::-1]


def test_nothing_is_shown_before_the_start_and_three_segments_as_soon_as_they_are_over():
    assert STREAM.playlist(VIDEO, START - 1) == ""
    assert STREAM.playlist(VIDEO, START + 4) == ""
    assert STREAM.changes(VIDEO, START - 100) == START + Fraction("4.004")
    short = LoopingStream(START, Fraction(1))
    assert len(parsed(short.playlist(VIDEO, START + 1000))) == 3
    assert len(parsed(short.playlist(VIDEO, START + 9))) == 2


def test_breaks_come_again_in_each_loop_and_are_known_while_they_last():
    told = {}
    for second in range(130, 400):
        text = STREAM.playlist(VIDEO, START + second)
        for id_, date in re.findall(r'ID="scte35-(\d+-1)",START-DATE="([^"]+)".*SCTE35-OUT', text):
            told[id_] = datetime.fromisoformat(date).timestamp() - float(START)
    assert told == {f"{n}-1": pytest.approx(float(n * LOOP + 6), abs=0.001) for n in range(7)}
    near = LoopingStream(START, Fraction(12), [MARKER])
    text = near.playlist(VIDEO, START + LOOP + 24)  # begins at 12 s of the loop
    assert 'ID="scte35-1-1"' in text.partition("#EXTINF")[0]
    assert "SCTE35-OUT" in text.partition("#EXTINF")[0]
    assert "SCTE35-IN" in text


def test_the_map_and_the_date_are_stated_again_behind_each_discontinuity():
    text = STREAM.playlist(VIDEO, START + 130)
    for part in text.split("#EXT-X-DISCONTINUITY\n"):
        assert part.count("#EXT-X-MAP:") == part.count("#EXT-X-PROGRAM-DATE-TIME:") == 1
    assert "#EXT-X-ENDLIST" not in text
    assert "PLAYLIST-TYPE" not in text
    ranges = [piece for _, _, _, piece, _ in parsed(text)]
    assert all("@" in piece for piece in ranges)
    assert all(a == b or int(b.partition("@")[2]) in (9, int(a.partition("@")[2]) + 10)
               for a, b in pairwise(ranges))  # fmt: skip
