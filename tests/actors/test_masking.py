"""Secrets in what tools and actions say."""

import pytest

from taskengine.actors.reporter import Reporter
from taskengine.masking import secret_values

NAMES = frozenset({"token", "pin"})


def clean(text, parameters):
    reporter = Reporter(None, None, None, frozenset(secret_values(parameters, NAMES)))
    return reporter.clean(text)


@pytest.mark.parametrize(
    "parameters",
    [
        {"token": "5ec7e7ff"},
        {"TOKEN": "5ec7e7ff"},
        {"extra": [{"Token": ["5ec7e7ff"]}]},
        {"token": {"any": "5ec7e7ff"}},
    ],
)
def test_what_stands_under_a_secret_name_is_masked(parameters):
    assert clean("-key 5ec7e7ff -key none", parameters) == "-key ******** -key none"


def test_a_secret_number_is_masked_too():
    assert clean("pin 77777777, 12", {"pin": 77777777, "length": 12}) == "pin ********, 12"


def test_what_is_short_or_no_secret_is_shown():
    assert clean("abc 12345678 True", {"token": "abc", "id": "12345678", "pin": True}) == (
        "abc 12345678 True"
    )


def test_nothing_is_left_of_a_secret_that_begins_with_another():
    """Whichever comes first in their set."""
    secrets = [f"secret{'x' * n}" for n in range(20)]
    assert clean(" ".join(secrets), {"token": secrets}) == " ".join(["********"] * 20)


def test_what_no_database_can_keep_is_replaced():
    assert clean("a\x00b\ud800c", {}) == "a\ufffdb\ufffdc"
