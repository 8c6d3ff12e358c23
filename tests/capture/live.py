"""A live stream of real pictures and sound, as its origins have it."""

from fractions import Fraction

from tests.capture.film import first_times, key_times, make_pictures, make_sound
from tests.capture.origin import LiveTrack

GOP = Fraction(1)  # seconds of a segment


RENDITIONS = {"v": 500_000, "w": 200_000}  # bits a second


def make_stream(folder, seconds, rate="25", gop=25, renditions=("v", "w")):
    """Renditions and sound, in segments of about a second; the tracks for an origin."""
    for name in renditions:
        bitrate = f"{RENDITIONS[name] // 1000}k"
        make_pictures(folder / name, seconds, rate=rate, gop=gop, bitrate=bitrate)
    make_sound(folder / "a", seconds, length=1)
    tracks = []
    for name in renditions:
        lengths = lengths_of(key_times(folder / name), seconds)
        bitrate = RENDITIONS[name]
        tracks.append(LiveTrack(name, "video", "avc1.64000d", bitrate, lengths, 320, 192))
    lengths = lengths_of(first_times(folder / "a"), seconds)
    tracks.append(LiveTrack("a", "audio", "mp4a.40.2", 96_000, lengths, language="en"))
    for track in tracks:
        numbered_from_one(folder / track.name)
    return tuple(tracks)


def lengths_of(starts, seconds):
    ends = [*starts[1:], Fraction(seconds)]
    return tuple(end - start for start, end in zip(starts, ends, strict=True))


def numbered_from_one(folder):
    """From 1, as the origin counts."""
    (folder / "all.mp4").unlink()
    for path in sorted(folder.glob("*.m4s"), key=lambda one: -int(one.stem)):
        path.rename(folder / f"{int(path.stem) + 1}.m4s")
