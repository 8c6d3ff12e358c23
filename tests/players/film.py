"""A film in two renditions and two languages, each with captions; each language has its pitch."""

import time
from fractions import Fraction

from tests.capture.film import drawn, ffmpeg, first_times, key_times, make_segments
from tests.capture.live import lengths_of, numbered_from_one
from tests.capture.origin import LiveOrigin, LiveTrack

RATE, GOP, SECONDS = 25, 50, 10
WIDTH = 320  # of the larger rendition
LANGUAGES = ("en", "de")  # in the order in which a viewer takes them
PITCHES = {"en": 500, "de": 1100}  # hertz
HEIGHTS = (192, 96)


def make_film(folder):
    """Files as vodstream takes them: two of pictures, two of sound, two of captions."""
    folder.mkdir(parents=True)
    picture = drawn(RATE, SECONDS)
    for height, rate in zip(HEIGHTS, ("400k", "120k"), strict=True):
        ffmpeg(
            *("-f", "lavfi", "-i", f"{picture},scale=-2:{height}:flags=area"),
            *("-c:v", "libx264", "-preset", "veryfast", "-b:v", rate, "-maxrate", rate),
            *("-bufsize", rate, "-g", GOP, "-keyint_min", GOP, "-sc_threshold", "0"),
            *("-bf", "3", "-flags", "+cgop", folder / f"film_{height}.mp4"),
        )
    for language, pitch in PITCHES.items():
        tone = f"sine=frequency={pitch}:sample_rate=48000:duration={SECONDS}"
        sound = folder / f"film_{language}.m4a"
        ffmpeg("-f", "lavfi", "-i", tone, "-c:a", "aac", "-b:a", "96k", "-ac", "2", sound)
        (folder / f"film_{language}.vtt").write_text(_captions(language))


def make_odd_film(folder):
    """What players stumble over as it is: Matroska with open groups of pictures, which begin after
    the sound, and AC-3 alone; SubRip beside it."""
    folder.mkdir(parents=True)
    open_groups = "open-gop=1:scenecut=0"
    ffmpeg(
        *("-f", "lavfi", "-i", f"{drawn(RATE, SECONDS)},scale=-2:{HEIGHTS[0]}:flags=area"),
        *("-c:v", "libx264", "-preset", "veryfast", "-g", GOP, "-keyint_min", GOP, "-bf", "3"),
        *("-x264-params", open_groups, pictures := folder.parent / "odd.mp4"),
    )
    tone = f"sine=frequency={PITCHES['en']}:sample_rate=48000:duration={SECONDS}"
    ffmpeg(
        *("-i", pictures, "-f", "lavfi", "-i", tone, "-map", "0", "-map", "1"),
        *("-c:v", "copy", "-c:a", "ac3", "-metadata:s:a:0", "language=eng", folder / "odd.mkv"),
    )
    (folder / "odd.en.srt").write_text(_captions("en").removeprefix("WEBVTT\n\n"))


def make_stream(folder, film):
    """The pictures and sound of the film's files as a live stream of HLS has them, which began an
    hour ago and is over: segments of two seconds, and playlists with dates. When it began."""
    fragments = "empty_moov+delay_moov+default_base_moof"
    tracks = []
    for height in HEIGHTS:
        own, file = folder / f"v{height}", film / f"film_{height}.mp4"
        make_segments(own, "-i", file, "-c", "copy", "-movflags", f"frag_keyframe+{fragments}")
        lengths = lengths_of(key_times(own), SECONDS)
        size = WIDTH * height // HEIGHTS[0], height
        tracks.append(LiveTrack(own.name, "video", "avc1.64000d", 400_000, lengths, *size))
    for language in LANGUAGES:
        own, pieces = folder / f"a-{language}", ("-frag_duration", GOP // RATE * 1_000_000)
        sound = ("-i", film / f"film_{language}.m4a", "-c", "copy", *pieces)
        make_segments(own, *sound, "-movflags", fragments)
        lengths = lengths_of(first_times(own), SECONDS)
        tracks.append(LiveTrack(own.name, "audio", "mp4a.40.2", 96_000, lengths, language=language))
    for track in tracks:
        numbered_from_one(folder / track.name)
    now = Fraction(int(time.time()))
    origin = LiveOrigin(folder, tuple(tracks), now - 3600, Fraction(10**6))
    for name in ("master", *(track.name for track in tracks)):
        (folder / f"{name}.m3u8").write_bytes(origin.answer(f"{name}.m3u8", now).body)
    return origin.began


def _captions(language):
    """One for each second, which says which."""
    cues = [
        f"00:00:{second:02}.000 --> 00:00:{second + 1:02}.000\n{language} {second}\n"
        for second in range(SECONDS)
    ]
    return "\n".join(["WEBVTT\n", *cues])
