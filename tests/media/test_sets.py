"""Sets of manifests, played to the end from HLS and from DASH."""

import re
import uuid
from dataclasses import replace
from fractions import Fraction

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from taskengine.media.ism import read_ism
from taskengine.media.keys import FileKeyStore, asset_name, generate_keys, keys_for
from taskengine.media.markers import Marker
from taskengine.media.marking import read_markers
from taskengine.media.scte35 import splice_insert
from taskengine.media.sets import SetName, SetPlan, build_set, make_missing_set, plan_sets
from taskengine.media.tiles import TileOptions
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from tests.media import players
from tests.media.conftest import SECONDS

G = "77a3f0a2-8d1e-4b1c-9a52-1f6f0d3c2b85"
E = 1594039706
ALMOST = pytest.approx(SECONDS, abs=0.05)


def guid(label):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, label))


def name(tag, epoch=None):
    return SetName("film-001", tag, G, epoch)


def playable(made):
    """Playlists of pictures and sound, of a set with one master playlist."""
    found = players.renditions(made.folder / made.manifests[0])
    return [one for one in found if re.search(r"_[va]\d\.m3u8$", one.name)]


async def words(bench):
    return Track("text", "words.vtt", codec="webvtt", language="eng", name="captions")


@pytest.mark.parametrize(
    ("drm", "enable", "plan"),
    [
        ([], True, SetPlan(True, (), "nodrm")),
        (["clear"], False, SetPlan(True, (), "nodrm")),
        (["widevine"], True, SetPlan(False, ("widevine",), "drm")),
        (["widevine"], False, SetPlan(True, ("widevine",), "nodrm")),
        (["clear", "aes", "aes"], True, SetPlan(True, ("aes",), "drm")),
        (["clear", "aes"], False, SetPlan(True, ("aes",), "nodrm")),
    ],
)
def test_an_asset_always_has_an_active_set(drm, enable, plan):
    assert plan_sets(drm, enable_drm=enable) == plan


async def test_the_clear_set_plays_from_hls_and_dash(bench, tracks, tmp_path):
    made = await build_set(
        bench, [*tracks, await words(bench)], name("nodrm"), guid=guid, trickplay=True
    )
    stem = f"film-001_nodrm_{G}"
    assert made.manifests == (f"{stem}.m3u8", f"{stem}.mpd", f"{stem}.ism")
    assert {path.name for path in made.folder.iterdir()} == set(made.files)

    assert len(playable(made)) == 4
    for playlist in playable(made):
        assert players.decoded(playlist, hls=True) == ALMOST
    assert 'LANGUAGE="en",NAME="English",DEFAULT=YES' in (made.folder / f"{stem}.m3u8").read_text()

    mpd = made.folder / f"{stem}.mpd"
    assert players.duration_of(mpd) == ALMOST
    found = list(players.representations(mpd))
    assert [kind for kind, _, _ in found] == ["video", "video", "video", "audio", "audio"]
    for _, path, pieces in found:
        if "trick" not in path.name:
            assert players.decoded(players.joined(pieces, tmp_path / "joined.mp4")) == ALMOST


async def test_the_server_manifest_names_the_tracks(bench, tracks):
    made = await build_set(bench, [*tracks, await words(bench)], name("nodrm"), guid=guid)
    named = read_ism((made.folder / made.manifests[-1]).read_text())
    assert [track.type for track in named] == ["video", "video", "audio", "audio", "text"]
    assert [track.language for track in named[2:]] == ["eng", "deu", "eng"]
    assert all(track.bitrate for track in named[:4])
    assert named[0].private == tracks[0].private != ""
    assert named[1].width == 160
    for track in named:
        assert (made.folder / track.file).stat().st_size


@pytest.mark.parametrize(
    ("drm", "hls", "dash"),
    [
        (["widevine", "playready"], "SAMPLE-AES-CTR", "cenc"),
        (["fairplay"], "METHOD=SAMPLE-AES,", "cbcs"),
        (["fairplay", "cenc"], "METHOD=SAMPLE-AES,", "cenc"),
    ],
)
async def test_encrypted_sets_play_with_their_key_alone(bench, tracks, tmp_path, drm, hls, dash):
    keys = generate_keys()
    made = await build_set(bench, tracks, name("drm"), guid=guid, drm=drm, keys=keys)
    hls_master, mpd, _ = (made.folder / manifest for manifest in made.manifests)
    assert f'value="{dash}"' in mpd.read_text()
    playlists = players.renditions(hls_master)
    assert len(playlists) == 4
    both = [(p.read_text(), players.ranges(p)) for p in playlists]
    assert all(hls in text for text, _ in both)
    pieces = [found for _, found in both] + [p for _, _, p in players.representations(mpd)]
    assert len(pieces) == 8
    for piece in pieces:
        joined = players.joined(piece, tmp_path / "joined.mp4")
        assert players.decoded(joined, key=keys.key) == ALMOST
    beginning = players.joined(pieces[-1][:2], tmp_path / "joined.mp4")
    for path in (beginning, players.joined(pieces[0], tmp_path / "whole.mp4")):
        for wrong in (None, "00" * 16):
            with pytest.raises(players.Undecodable):
                players.decoded(path, key=wrong)
    published = b"".join(path.read_bytes() for path in made.folder.iterdir())
    assert keys.key.encode() not in published
    assert bytes.fromhex(keys.key) not in published


PLAYREADY, WIDEVINE, FAIRPLAY, CLEARKEY, IDENTITY = (
    *("com.microsoft.playready", "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"),
    *("com.apple.streamingkeydelivery", "org.w3.clearkey", "identity"),
)


@pytest.mark.parametrize(
    ("drm", "formats"),
    [
        (["playready"], {PLAYREADY}),
        (["widevine"], {WIDEVINE}),
        (["fairplay"], {FAIRPLAY}),
        (["cenc"], {CLEARKEY, IDENTITY}),
        (["aes"], {CLEARKEY, IDENTITY}),
        (["cenc", "aes"], {CLEARKEY, IDENTITY}),
        (["cenc", "playready"], {CLEARKEY, PLAYREADY}),
        (["aes", "widevine"], {WIDEVINE}),
        (["cenc", "fairplay"], {CLEARKEY, FAIRPLAY}),
        (["aes", "fairplay"], {FAIRPLAY}),
        (["fairplay", "playready"], {FAIRPLAY, PLAYREADY}),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else "",
)
async def test_playlists_name_the_key_in_a_format_that_a_player_knows(bench, tracks, drm, formats):
    """Of shaka-player and hls.js. An identity line beside another system's would make shaka-player
    ask for a key that nobody hands out."""
    keys = generate_keys()
    made = await build_set(bench, tracks[1:2], name("drm"), guid=guid, drm=drm, keys=keys)
    main = next(one for one in made.manifests if one.endswith(f"{G}.m3u8"))
    [playlist] = players.renditions(made.folder / main)
    said = re.findall(r"#EXT-X-KEY:METHOD=(.+?),.*KEYFORMAT=\"(.+?)\"", playlist.read_text())
    assert {form for _, form in said} == formats
    assert len(said) == len(formats)
    assert {method for method, _ in said} == {
        "SAMPLE-AES" if FAIRPLAY in formats else "SAMPLE-AES-CTR"
    }
    if IDENTITY in formats:
        assert f'URI="keys/cenc/{keys.key_id}"' in playlist.read_text()


def decrypted(playlist, key):
    """The segments of a rendition as RFC 8216 has them decrypted: the IV is their number."""
    whole = b""
    for number, name in enumerate(re.findall(r"^[^#\s].*$", playlist.read_text(), re.MULTILINE)):
        mode = CBC(number.to_bytes(16, "big"))
        decryptor = Cipher(AES(bytes.fromhex(key)), mode).decryptor()
        data = decryptor.update((playlist.parent / name).read_bytes()) + decryptor.finalize()
        whole += data[: -data[-1]]
    return whole


async def test_aes_is_a_set_beside_the_main_one(bench, tracks, tmp_path):
    keys = generate_keys()
    made = await build_set(bench, tracks, name("drm", E), guid=guid, drm=["aes"], keys=keys)
    assert made.manifests == (
        f"{E}_{G}_film-001_aes.m3u8.drm",
        f"{E}_{G}_film-001_aes.mpd.drm",
        f"{E}_{G}_film-001_aes.drm",
        f"{E}_{G}_film-001.m3u8.drm",
        f"{E}_{G}_film-001.mpd.drm",
        f"{E}_{G}_film-001.drm",
    )
    playlists = players.renditions(made.folder / made.manifests[0])
    assert len(playlists) == 4
    service = made.folder / keys.aes_uri
    service.parent.mkdir()
    service.write_bytes(bytes.fromhex(keys.aes))
    for playlist in playlists:
        assert "METHOD=AES-128" in playlist.read_text()
        assert players.decoded(playlist, hls=True) == ALMOST
        assert decrypted(playlist, keys.aes) in b"".join(
            path.read_bytes() for path in (tmp_path / "made-drm-plain").iterdir()
        )
    service.write_bytes(bytes(16))
    with pytest.raises(players.Undecodable):
        players.decoded(playlists[0], hls=True)


async def test_keys_are_in_no_command_line_and_in_no_readable_file(bench, tracks):
    keys, seen = generate_keys(), []

    async def run(command, *, on_line=None):
        line = " ".join(command)
        assert not any(secret in line for secret in (keys.key, keys.iv, keys.aes))
        seen.extend(path.stat().st_mode & 0o777 for path in bench.folder.glob("*.flags"))
        return await bench.run(command, on_line=on_line)

    watched = replace(bench, run=run)
    await build_set(watched, tracks, name("drm"), guid=guid, drm=["fairplay", "aes"], keys=keys)
    assert set(seen) == {0o600}
    assert not list(bench.folder.glob("*.flags"))


async def test_a_film_without_sound_and_a_content_id_with_commas(bench, tracks):
    odd = SetName('one, "two"=+3', "nodrm", G)
    made = await build_set(bench, tracks[1:2], odd, guid=guid)
    assert made.manifests[-1] == f'one, "two"=+3_nodrm_{G}.ism'
    [playlist] = players.renditions(made.folder / made.manifests[0])
    assert players.decoded(playlist, hls=True) == ALMOST
    assert not any(set('+,="') & set(file) for file in made.media)


async def test_the_missing_set_is_made_from_the_other(bench, tracks, tmp_path):
    folder = Folder(LocalStorage([tmp_path]), str(tmp_path), "films/film-001")
    store = FileKeyStore(tmp_path / "keys")

    async def publish(made):
        for file in made.files:
            await folder.put(made.folder / file, file)

    markers = [Marker(1, Fraction(2), Fraction(1), splice_insert(1, Fraction(2), is_out=True))]
    clear = await build_set(
        bench,
        [*tracks, await words(bench)],
        name("nodrm"),
        guid=guid,
        markers=markers,
        trickplay=True,
        thumbnails=TileOptions(size=80, interval=2),
    )
    await publish(clear)
    made = await make_missing_set(
        bench, folder, name("drm"), guid=guid, drm=["fairplay", "cenc"], keys=store
    )
    keys = await store.load(asset_name(folder, "film-001"))
    for playlist in playable(made):
        joined = players.joined(players.ranges(playlist), tmp_path / "joined.mp4")
        assert players.decoded(joined, key=keys.key) == ALMOST

    master, mpd = ((made.folder / file).read_text() for file in made.manifests[:2])
    assert "#EXT-X-I-FRAME-STREAM-INF" in master
    [images] = re.findall(r'#EXT-X-IMAGE-STREAM-INF.*URI="(.*?)"', master)
    assert images in clear.files  # of the other set: they are clear in any
    assert mpd.count('contentType="image"') == mpd.count("guidelines/trickmode") == 1
    assert re.search(r"FRAME-RATE=25.000.*\n.*_v1", master)
    assert made.manifests[1].endswith(".mpd")
    assert read_markers((made.folder / made.manifests[1]).read_text()) == markers

    await publish(made)
    for file in clear.files:
        await folder.delete(file)
    again = await make_missing_set(
        bench, folder, name("nodrm"), guid=lambda label: guid(f"2{label}"), keys=store
    )
    for playlist in playable(again):
        assert players.decoded(playlist, hls=True) == ALMOST
    with pytest.raises(PermanentFailure, match=r"keys of .* are not stored"):
        await make_missing_set(
            bench, folder, name("nodrm"), guid=guid, keys=FileKeyStore(tmp_path / "none")
        )


async def test_keys_stay_the_same_and_are_nobody_elses(tmp_path):
    store = FileKeyStore(tmp_path / "keys")
    first = await keys_for(store, "local:films/film-001")
    assert await keys_for(store, "local:films/film-001") == first
    assert await store.keep("local:films/film-001", generate_keys()) == first
    assert await keys_for(store, "local:films/film-002") != first
    assert first.key not in repr(first)
    files = list((tmp_path / "keys").iterdir())
    assert len(files) == 2
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("bad", ["eng,output=pwned.mp4", "a,b", 'a"b', "a=b", "a\nb"])
async def test_values_that_would_add_fields_are_refused(bench, tracks, bad):
    track = Track("audio", tracks[2].file, stream=1, codec="aac")
    with pytest.raises(PermanentFailure):
        await build_set(bench, [replace(track, language=bad)], name("nodrm"), guid=guid)
    made = await build_set(bench, [replace(track, description=bad)], name("nodrm"), guid=guid)
    called = bad.replace('"', "'").replace("\n", " ")
    assert f'NAME="{called}"' in (made.folder / made.manifests[0]).read_text()
    assert f"<Label>{called}</Label>" in (made.folder / made.manifests[1]).read_text()
    assert not (bench.folder / "pwned.mp4").exists()
