"""Times of clips are read when a capture is submitted, not when it runs."""

import pytest

from taskengine.jobs.clips import check_clips
from taskengine.model import BadInput

CLIPS = {"from": "clips", "start": "start", "end": "end"}
NOON, ONE = "2031-01-05T12:00:00.000Z", "2031-01-05T13:00:00"


@pytest.mark.parametrize(
    "clip",
    [
        {},
        {"start": NOON, "end": ONE},
        {"start": "00:00:10", "end": "00:01:00.5"},
        {"start": "00:00:10", "end": ONE},  # which is earlier shows when the stream is seen
        {"start": NOON},
    ],
)
def test_times_that_can_be_are_taken(clip):
    check_clips({"clips": [{}, clip]}, CLIPS)


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        ({"start": ONE, "end": NOON}, r"clips\[1\]: start is not before end"),
        ({"start": NOON, "end": NOON}, "start is not before end"),
        ({"start": "00:01:00", "end": "00:00:10"}, "start is not before end"),
        ({"start": "noon"}, r"clips\[1\]\.start: expected a UTC time"),
        ({"end": "2031-02-30T10:00:00Z"}, r"clips\[1\]\.end: expected"),
        ({"end": "00:61:00"}, "expected"),
        ({"end": ""}, "expected"),
    ],
)
def test_others_are_refused_with_their_place(clip, reason):
    with pytest.raises(BadInput, match=reason):
        check_clips({"clips": [{}, clip]}, CLIPS)


def test_workflows_without_clips_have_none_to_check():
    check_clips({"clips": "anything"}, None)
