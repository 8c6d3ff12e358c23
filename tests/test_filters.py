"""The filters of commands, as the query that the API is asked."""

from taskengine.cli.filters import NAMES, query_of

NONE = {**dict.fromkeys(NAMES), "state": (), "failed": False}


def test_what_is_not_given_is_left_out():
    assert query_of(NONE) == {}
    given = {**NONE, "state": ("queued", "paused"), "failed": True, "of": "acme"}
    assert query_of(given) == {"state": "queued,paused", "failed": 1, "client": "acme"}


def test_what_is_given_empty_is_not_left_out():
    assert query_of({**NONE, "state": ("queued",), "search": ""}) == {
        "state": "queued",
        "search": "",
    }
