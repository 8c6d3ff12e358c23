"""A film in two renditions and two languages, each with captions; each language has its pitch."""

from tests.capture.film import drawn, ffmpeg

RATE, GOP, SECONDS = 25, 50, 10
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


def _captions(language):
    """One for each second, which says which."""
    cues = [
        f"00:00:{second:02}.000 --> 00:00:{second + 1:02}.000\n{language} {second}\n"
        for second in range(SECONDS)
    ]
    return "\n".join(["WEBVTT\n", *cues])
