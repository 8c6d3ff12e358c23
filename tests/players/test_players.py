"""What viewers see and hear of results in Chromium: native HLS, hls.js, dash.js, shaka-player."""

from itertools import pairwise

import pytest

from tests.players.conftest import HIGH, LIVE, LOW, PLAYS, SEEKS
from tests.players.film import PITCHES, RATE

LATE = 4  # seconds after the asked time, in which a slow machine shows its first picture
GONE_ON = 2  # pictures that come up until the first one is read


@pytest.mark.parametrize("play", PLAYS, ids=", ".join)
def test_a_result_plays(viewings, play):
    result, player, seen = vars(viewings[play]).values()
    assert (seen.get("failure"), seen["errors"]) == (None, [])
    assert seen["tracks"]["audio"] == list(result.languages)
    assert seen["duration"] == pytest.approx(result.seconds, abs=0.05)
    assert seen["ends"] == pytest.approx([result.seconds] * 2, abs=0.05)
    assert seen["frames"] > result.seconds * RATE / 2  # a slow machine skips some
    check_pictures(result, seen, chosen=player != "native" and len(result.heights) > 1)
    for language, pitch in seen["heard"].items():
        assert pitch == pytest.approx(PITCHES[language], abs=20)
    if player != "native":
        assert sorted(seen["heard"]) == sorted(result.languages)
        assert sorted(seen["tracks"]["text"]) == sorted(result.texts)
        assert sorted(seen["tracks"]["heights"]) == sorted(result.heights)
        check_captions(result, seen["read"])


def check_pictures(result, seen, *, chosen):
    """The picture of each jump is that of its time; `chosen`: of the wanted rendition, too."""
    assert [one["asked"] for one in seen["seeks"]] == [one["time"] for one in SEEKS]
    for one in seen["seeks"]:
        expected = result.picture(one["time"])
        if not result.keys:  # a protected picture cannot be read
            assert expected <= one["number"] <= expected + GONE_ON
        assert one["asked"] - 1 / RATE < one["time"] < one["asked"] + LATE
    if chosen:
        assert [one["height"] for one in seen["seeks"]] == [HIGH, LOW, LOW]


def check_captions(result, read):
    """Each says of which second of the film it is; browsers take one away a moment late."""
    assert sorted(read) == sorted(result.texts)
    for language, one in read.items():
        second = result.picture(one["time"]) // RATE
        expected = [f"{language} {second - 1}", f"{language} {second}"]
        assert one["texts"] in ([expected[0]], [expected[1]], expected)


def test_a_live_stream_is_joined_at_its_edge_and_goes_on_over_a_loop(viewings):
    """Each picture is that of its time, wherever in the loop the player came in; where the next one
    begins hls.js jumps over what an edit list hides from it."""
    result, _, seen = vars(viewings[LIVE]).values()
    jumps = [one for one in seen["errors"] if one.startswith("bufferSeekOverHole")]
    assert (seen.get("failure"), seen["errors"]) == (None, jumps)
    first, *_ = shown = seen["shown"]
    edge, target = seen["edge"].values()
    assert edge - 4 * target <= first["time"] <= edge  # hls.js stays three behind it
    loop, begin = round(result.seconds * RATE), result.picture(0)
    for one in shown:
        passed = round((one["time"] - first["time"]) * RATE)
        expected = (first["number"] - begin + passed) % loop
        late = (one["number"] - begin - expected + GONE_ON) % loop
        assert late <= 2 * GONE_ON, (first, one)
    assert any(b["number"] < a["number"] for a, b in pairwise(shown))
    assert seen["pitch"] == pytest.approx(PITCHES[result.languages[0]], abs=20)
