"""What viewers see and hear of results in Chromium: native HLS, hls.js, dash.js, shaka-player."""

import json
from dataclasses import dataclass

import pytest
import trio

from tests.players import site
from tests.players.film import HEIGHTS, PITCHES, RATE
from tests.players.installing import browser, missing
from tests.players.results import Result, make_results

WATCH_SECONDS = 900  # for what would hang; each wait has an end of its own
LATE = 4  # seconds after the asked time, in which a slow machine shows its first picture
GONE_ON = 2  # pictures that come up until the first one is read
HIGH, LOW = HEIGHTS
SEEKS = ({"time": 5.3, "height": HIGH}, {"time": 2.06, "height": LOW}, {"time": 6.46})
PLAYERS = {  # by result and kind of manifest; Chromium itself opens no AES-128 of MP4
    ("film", "hls"): ("native", "hls.js", "shaka"),
    ("film", "dash"): ("dash.js", "shaka"),
    ("odd", "hls"): ("hls.js", "shaka"),
    ("odd", "dash"): ("dash.js", "shaka"),
    ("clip", "hls"): ("native", "hls.js", "shaka"),
    ("clip", "dash"): ("dash.js", "shaka"),
    ("locked", "hls"): ("shaka",),
    ("locked", "dash"): ("dash.js", "shaka"),
    ("aes", "hls"): ("hls.js", "shaka"),
}
PLAYS = [(*made, player) for made, players in PLAYERS.items() for player in players]


@dataclass(frozen=True)
class Viewing:
    """A result and what was seen of it."""

    result: Result
    player: str
    seen: dict


@pytest.fixture(scope="session")
def viewings(tmp_path_factory):
    if lacking := missing():
        pytest.fail(lacking)
    return trio.run(watched, tmp_path_factory.mktemp("players") / "var")


async def watched(data):
    """What came of every play."""
    keys = {}
    async with site.serving(data / "output", keys) as url:
        results = await make_results(data, url, keys)
        items = [_item(results[name], kind, player) for name, kind, player in PLAYS]
        command = ["node", str(site.HERE / "watch.mjs"), browser()]
        with trio.fail_after(WATCH_SECONDS):
            said = json.dumps({"site": url, "items": items}).encode()
            done = await trio.run_process(command, stdin=said, capture_stdout=True)
    viewed = zip(PLAYS, json.loads(done.stdout), strict=True)
    return {play: Viewing(results[play[0]], play[2], seen) for play, seen in viewed}


def _item(result, kind, player):
    """Chromium itself shows no captions, and changes the language of what is not loaded alone."""
    languages = result.texts if player != "native" else ()
    heard = languages or result.languages[:1]
    is_plain = player == "native" or len(result.heights) == 1
    return {
        "player": player,
        "url": getattr(result, kind),
        "keys": result.keys and {result.keys.key_id: result.keys.key},
        "seeks": [{"time": one["time"]} for one in SEEKS] if is_plain else SEEKS,
        "pitches": {language: PITCHES[language] for language in heard},
        "words": {language: language for language in languages},
    }


@pytest.mark.timeout(WATCH_SECONDS + 60)  # the first one waits for all
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
        assert sorted(seen["heard"]) == sorted(seen["tracks"]["text"]) == sorted(result.texts)
        assert sorted(seen["tracks"]["heights"]) == sorted(result.heights)
        check_captions(result, seen["read"])


def check_pictures(result, seen, *, chosen):
    """The picture of each jump is that of its time; `chosen`: of the wanted rendition, too."""
    assert [one["asked"] for one in seen["seeks"]] == [one["time"] for one in SEEKS]
    for one in seen["seeks"]:
        expected = result.first + round(one["time"] * RATE)
        if not result.keys:  # a protected picture cannot be read
            assert expected <= one["number"] <= expected + GONE_ON
        assert one["asked"] - 1 / RATE < one["time"] < one["asked"] + LATE
    if chosen:
        assert [one["height"] for one in seen["seeks"]] == [HIGH, LOW, LOW]


def check_captions(result, read):
    """Each says of which second of the film it is; browsers take one away a moment late."""
    assert sorted(read) == sorted(result.texts)
    for language, one in read.items():
        second = int(one["time"] + result.first / RATE)
        expected = [f"{language} {second - 1}", f"{language} {second}"]
        assert one["texts"] in ([expected[0]], [expected[1]], expected)
