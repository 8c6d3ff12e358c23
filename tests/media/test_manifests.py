"""What manifests say of tracks, as players and standards want it; no media is made."""

import re

import pytest
from defusedxml.ElementTree import fromstring

from taskengine.media.labels import defaults, labels
from taskengine.media.languages import language_name, language_of, normal_language
from taskengine.media.master import audio_group, finish_master
from taskengine.media.mpd import finish_mpd
from taskengine.media.tracks import Track, arrange, longest

DASH = "{urn:mpeg:dash:schema:mpd:2011}"


def audio(language="eng", **more):
    return Track("audio", "a.mp4", codec="aac", language=language, duration=6.0, **more)


VIDEO = Track("video", "v.mp4", codec="h264", frame_rate=23.976, duration=6.0)
SET = '<AdaptationSet contentType="{0}"><Label>1</Label><Representation id="{1}"><BaseURL>{1}</BaseURL>{2}</Representation></AdaptationSet>'  # noqa: E501
BASE = '<SegmentBase timescale="1000" presentationTimeOffset="21"/>'


def mpd_of(tracks):
    """The finished MPD of one that has a set for each track; the sets by the name of their file."""
    files = [f"{number}.mp4" for number in range(len(tracks))]
    sets = "".join(
        SET.format(track.type, file, BASE) for track, file in zip(tracks, files, strict=True)
    )
    head = f'<MPD xmlns="{DASH[1:-1]}" mediaPresentationDuration="PT6.0S">'
    text = f"{head}<Period>{sets}</Period></MPD>"
    root = fromstring(finish_mpd(text, tracks, files))
    return root, list(root.iter(f"{DASH}AdaptationSet"))


def roles(adaptation):
    return [one.get("value") for one in adaptation.iter(f"{DASH}Role")]


def master_of(tracks):
    lines, names = ["#EXTM3U"], [f"{number}.m3u8" for number in range(len(tracks))]
    for track, name in zip(tracks, names, strict=True):
        if track.type == "video":
            lines += [
                "#EXT-X-STREAM-INF:BANDWIDTH=90,AVERAGE-BANDWIDTH=100,FRAME-RATE=23.810",
                name,
            ]
        else:
            lines.append(f'#EXT-X-MEDIA:TYPE=AUDIO,URI="{name}",NAME="0",DEFAULT=NO')
    return finish_master("\n".join(lines), tracks, names).splitlines()


def test_the_films_own_sound_comes_before_that_of_other_files():
    own = audio(source="zfilm.mp4")
    second = audio("fra", source="zfilm.mp4", preferred=True)
    dub = audio("nld", source="dub_nl.m4a", preferred=True)
    described = audio(source="zfilm.mp4", kind="main-desc")
    film = Track("video", "v", source="zfilm.mp4", bitrate=9)
    arranged = arrange([dub, described, own, second, film])
    assert [(t.source, t.language, t.kind) for t in arranged[1:]] == [
        ("zfilm.mp4", "fra", ""), ("zfilm.mp4", "eng", ""), ("dub_nl.m4a", "nld", ""),
        ("zfilm.mp4", "eng", "main-desc"),
    ]  # fmt: skip


def test_the_best_of_a_language_is_the_films_own_sound():
    tracks = [audio(bitrate=64, name="own"), audio(bitrate=128, kind="commentary")]
    assert [t.name for t in arrange(tracks, every_audio=False)] == ["own"]


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        ([audio(), audio(kind="commentary"), audio("nl")],
         ["English", "English (commentary)", "Dutch"]),
        ([audio("und"), audio("und")], ["Audio", "Audio 2"]),
        ([audio(description="Original")] * 2, ["Original", "Original 2"]),
        ([audio(description='Engels, "(5.1)" =\nx')], ["Engels, '(5.1)' = x"]),
        ([audio(name="AD"), audio(name="audio_eng")], ["AD", "English"]),
        ([audio("pt-BR"), audio(kind="main-desc")],
         ["Portuguese (BR)", "English (audio description)"]),
        ([audio(name="x"), audio(name="x_aac", companion="x", description="")], ["x", "x"]),
    ],
)  # fmt: skip
def test_tracks_are_called_what_viewers_understand(tracks, expected):
    assert labels(tracks) == expected


def test_players_begin_with_the_first_sound_that_is_for_everybody():
    tracks = [VIDEO, audio(kind="main-desc"), audio("nl", name="nl"), audio(kind="commentary"),
              audio("nl", companion="nl")]  # fmt: skip
    assert defaults(tracks) == [False, False, True, False, True]


def test_groups_of_an_mpd_say_what_tracks_are_for():
    tracks = [VIDEO, audio(), audio(kind="commentary"), audio("nl"), audio(kind="main-desc"),
              Track("text", "t", role="caption"), Track("text", "u", role="subtitle")]  # fmt: skip
    _, sets = mpd_of(tracks)
    assert [roles(one) for one in sets] == [
        [], ["main"], ["commentary"], ["alternate"], ["description"], ["caption"], ["subtitle"]
    ]  # fmt: skip
    names = [element.tag.removeprefix(DASH) for element in sets[4]]
    assert names == ["Label", "Accessibility", "Role", "Representation"]  # the schema's order


def test_captions_of_an_mpd_begin_with_the_period():
    _, (video, text) = mpd_of([VIDEO, Track("text", "t")])
    assert len(list(video.iter(f"{DASH}SegmentBase"))) == 1
    assert list(text.iter(f"{DASH}SegmentBase")) == []


@pytest.mark.parametrize(
    ("stated", "in_dash", "in_hls"),
    [(23.976, "24000/1001", "23.976"), (59.94, "60000/1001", "59.940"), (25, "25", "25.000"),
     (12.5, "25/2", "12.500")],
)  # fmt: skip
def test_frame_rates_are_those_of_the_source(stated, in_dash, in_hls):
    video = Track("video", "v", frame_rate=stated)
    _, [adaptation] = mpd_of([video])
    representation = adaptation.find(f"{DASH}Representation")
    assert representation.get("frameRate") == in_dash
    assert f"FRAME-RATE={in_hls}" in master_of([video])[1]


def test_a_peak_is_no_lower_than_the_average():
    assert "BANDWIDTH=100,AVERAGE-BANDWIDTH=100" in master_of([VIDEO])[1]


def test_renditions_of_hls_say_when_players_take_them():
    tracks = [audio(), audio(kind="commentary"), audio("nl"), audio(kind="main-desc")]
    flags = [re.search("DEFAULT=(.+?),.*AUTOSELECT=([^,]+)", line).groups()
             for line in master_of(tracks)[1:]]  # fmt: skip
    assert flags == [("YES", "YES"), ("NO", "NO"), ("NO", "YES"), ("NO", "YES")]


def test_forced_captions_are_marked():
    [_, line] = master_of([Track("text", "t", role="forced-subtitle")])
    assert "FORCED=YES" in line


def test_a_group_is_of_one_codec():
    assert audio_group(audio()) == "audio-aac"
    assert audio_group(Track("audio", "a", codec="ac3")) == "audio-ac3"


def test_sound_that_goes_on_makes_the_whole_longer():
    assert longest([Track("video", "v", duration=0.04), audio()]) == 6.0
    assert longest([Track("video", "v", duration=5.9), audio()]) == 5.9  # an encoder's last packet
    root, _ = mpd_of([Track("video", "v", duration=0.04), audio(start=24.0)])
    assert root.get("mediaPresentationDuration") == "PT30S"


@pytest.mark.parametrize(
    ("stated", "file", "language"),
    [
        ("und", "film_fra.m4a", "fra"), ("eng", "film_fra.m4a", "eng"), ("und", "x.de.srt", "de"),
        ("und", "film_hd.m4a", "und"), ("und", "trailer_bbb.m4a", "und"),
        ("und", "film_vfr.m4a", "und"), ("und", "film_pt-BR.srt", "pt-BR"),
        ("und", "film_qaa.m4a", "qaa"),
    ],
)  # fmt: skip
def test_languages_in_names_are_those_that_iso_639_has(stated, file, language):
    assert language_of(stated, file) == language


def test_languages_have_names():
    assert language_name("deu") == language_name("de") == language_name("ger") == "German"
    assert language_name("und") == language_name("qaa") == ""
    assert normal_language("xx") == "und"


def test_sets_and_representations_have_the_same_ids_in_each_run():
    """The packager counts as its threads come; what names a set by its id names it still."""
    videos = [Track("video", f"{n}.mp4", codec="h264", duration=6.0) for n in range(2)]
    one = '<Representation id="{0}"><BaseURL>{1}</BaseURL></Representation>'
    trick = '<EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="{0}"/>'
    found = set()
    for first, second in ((0, 1), (1, 0)):
        representations = [one.format(first, "0.mp4"), one.format(second, "1.mp4")]
        pictures = "".join(representations[:: 1 if first < second else -1])
        text = (
            f'<MPD xmlns="{DASH[1:-1]}"><Period>'
            f'<AdaptationSet id="{second}">{pictures}</AdaptationSet>'
            f'<AdaptationSet id="{first}">{trick.format(second)}{one.format(2, "t.mp4")}'
            "</AdaptationSet></Period></MPD>"
        )
        found.add(finish_mpd(text, videos, ["0.mp4", "1.mp4"]))
    [said] = found
    assert re.findall(r' id="(.)"', said) == ["0", "0", "1", "1", "2"]
    assert re.search(r'trickmode" value="(.)"', said)[1] == "0"
