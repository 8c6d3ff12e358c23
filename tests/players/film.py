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


def _captions(language):
    """One for each second, which says which."""
    cues = [
        f"00:00:{second:02}.000 --> 00:00:{second + 1:02}.000\n{language} {second}\n"
        for second in range(SECONDS)
    ]
    return "\n".join(["WEBVTT\n", *cues])
