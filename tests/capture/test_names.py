"""The order of a clip's tracks, which is that of its result."""

from taskengine.capture.clip import named
from taskengine.capture.model import SourceTrack


def test_the_default_of_the_source_comes_first():
    tracks = [
        SourceTrack("low", "video", bitrate=100, height=90),
        SourceTrack("high", "video", bitrate=200, height=180),
        SourceTrack("de", "audio"),
        SourceTrack("en", "audio", is_default=True),
        SourceTrack("fr", "audio"),
        SourceTrack("words", "text"),
    ]
    assert {name: track.id for name, track in named(tracks).items()} == {
        "video-1": "high",
        "video-2": "low",
        "audio-1": "en",
        "audio-2": "de",
        "audio-3": "fr",
        "text-1": "words",
    }
