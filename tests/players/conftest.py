"""What tests of players look at: results of an engine, and what was seen of each in Chromium."""

import json
from dataclasses import dataclass

import pytest
import trio

from tests.players import site
from tests.players.film import HEIGHTS, PITCHES
from tests.players.installing import browser, missing
from tests.players.results import Result, made_results

WATCH_SECONDS = 600  # for what would hang
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
    ("remix", "hls"): ("native", "hls.js", "shaka"),
    ("remix", "dash"): ("dash.js", "shaka"),
    ("npvr", "hls"): ("native", "hls.js", "shaka"),
    ("npvr", "dash"): ("dash.js", "shaka"),
}
PLAYS = [(*made, player) for made, players in PLAYERS.items() for player in players]
LIVE = ("live", "hls", "hls.js")


@dataclass(frozen=True)
class Viewing:
    """A result and what was seen of it."""

    result: Result
    player: str
    seen: dict


@pytest.fixture(scope="session")
def viewings(tmp_path_factory):
    """By play."""
    if lacking := missing():
        pytest.fail(lacking)
    return trio.run(watched, tmp_path_factory.mktemp("players") / "var")


async def watched(data):
    """What came of every play."""
    keys, plays = {}, [*PLAYS, LIVE]
    async with (
        site.serving(data / "output", keys) as url,
        made_results(data, url, keys) as results,
    ):
        items = [_item(results[name], kind, player) for name, kind, player in PLAYS]
        items.append({"player": LIVE[-1], "url": results["live"].hls, "live": True})
        command = ["node", str(site.HERE / "watch.mjs"), browser()]
        with trio.fail_after(WATCH_SECONDS):
            said = json.dumps({"site": url, "items": items}).encode()
            done = await trio.run_process(command, stdin=said, capture_stdout=True)
    viewed = zip(plays, json.loads(done.stdout), strict=True)
    return {play: Viewing(results[play[0]], play[2], seen) for play, seen in viewed}


def _item(result, kind, player):
    """Chromium itself shows no captions, and changes the language of what is not loaded alone."""
    is_native = player == "native"
    heard = result.languages[:1] if is_native else result.languages
    is_plain = is_native or len(result.heights) == 1
    return {
        "player": player,
        "url": getattr(result, kind),
        "keys": result.keys and {result.keys.key_id: result.keys.key},
        "seeks": [{"time": one["time"]} for one in SEEKS] if is_plain else SEEKS,
        "pitches": {language: PITCHES[language] for language in heard},
        "words": {} if is_native else {language: language for language in result.texts},
    }
