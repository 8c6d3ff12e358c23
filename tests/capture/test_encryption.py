"""What the packager encrypts is decrypted to the same packets, and nothing hostile gets through."""

import hashlib
import subprocess
from base64 import b64encode
from fractions import Fraction
from uuid import UUID

import pytest

from taskengine.capture.encryption.ciphers import counted, open_sample
from taskengine.capture.encryption.files import Head, open_fragments, open_head, open_stream
from taskengine.capture.encryption.fragments import Opened
from taskengine.capture.encryption.keys import ClipKeys, NoKey
from taskengine.capture.encryption.playready import content_key, header_key_id
from taskengine.capture.encryption.samples import open_pictures
from taskengine.capture.locks import Locks
from taskengine.capture.model import Resource, Segment
from taskengine.capture.streams import Answer
from taskengine.media.tools import bundled_tools
from taskengine.model import PermanentFailure
from tests.capture.film import BEEP, drawn, ffmpeg
from tests.capture.locked import AUDIO, IV, KEYS, SEED, VIDEO, protect

SECONDS = 4


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """Pictures of H.264 and H.265, and sound."""
    folder = tmp_path_factory.mktemp("film")
    pictures = ("-f", "lavfi", "-i", drawn(25, SECONDS))
    sound = ("-f", "lavfi", "-i", f"aevalsrc='{BEEP}|{BEEP}':s=48000:d={SECONDS}")
    coded = ("-preset", "ultrafast", "-b:v", "300k", "-g", "25")
    ffmpeg(*pictures, *sound, "-c:v", "libx264", *coded, "-c:a", "aac", folder / "h264.mp4")
    hevc = ("-x265-params", "log-level=error:keyint=25", "-tag:v", "hvc1")
    ffmpeg(*pictures, "-c:v", "libx265", *coded, *hevc, folder / "h265.mp4")
    return folder


def packets(path, stream):
    """A digest of each."""
    said = ffmpeg("-i", path, "-map", stream, "-c", "copy", "-f", "framemd5", "-").decode()
    return [line.split(",")[-1] for line in said.splitlines() if not line.startswith("#")]


def key_of(key_id):
    return KEYS[key_id]


@pytest.mark.parametrize(
    ("codec", "scheme", "more"),
    [
        ("h264", "cenc", ()),
        ("h264", "cbcs", ()),
        ("h265", "cenc", ()),
        ("h265", "cbcs", ()),
        ("h264", "cbcs", ("--clear_lead", "2")),
        ("h264", "cenc", ("--clear_lead", "1", "--crypto_period_duration", "2")),
    ],
    ids=["cenc", "cbcs", "hevc-cenc", "hevc-cbcs", "clear-lead", "rotation"],
)
def test_fragments_become_what_they_were(tmp_path, film, codec, scheme, more):
    has_sound = codec == "h264"
    protect(film / f"{codec}.mp4", tmp_path, scheme, *more, sound=has_sound)
    for name, stream in (("v", "0:v:0"), ("a", "0:a:0"))[: 1 + has_sound]:
        head = open_head((tmp_path / f"{name}-init.mp4").read_bytes())
        whole, key_ids, shares = head.content, set(), []
        for number in range(1, SECONDS + 1):
            path = tmp_path / f"{name}-{number}.m4s"
            opened = open_fragments(path, head.tracks, key_of)
            whole, key_ids = whole + path.read_bytes(), key_ids | opened.key_ids
            shares.append(opened.share)
        made = tmp_path / f"{name}.mp4"
        made.write_bytes(whole)
        assert packets(made, "0:0") == packets(film / f"{codec}.mp4", stream)
        for kind in (b"encv", b"enca", b"sinf", b"senc", b"saiz", b"saio", b"pssh"):
            assert kind not in whole
        assert len(key_ids) == (2 if "--crypto_period_duration" in more else 1)
        assert (shares[0] == 0) == bool(more)


@pytest.mark.parametrize("scheme", ["cens", "cbc1"])
def test_one_file_with_a_header_of_its_own_becomes_what_it_was(tmp_path, film, scheme):
    made = tmp_path / "v.mp4"
    key = f"label=V:key_id={VIDEO.hex()}:key={KEYS[VIDEO].hex()}"
    command = [bundled_tools().packager, "--quiet", "--protection_scheme", scheme]
    command += ["--enable_raw_key_encryption", "--keys", key, "--iv", IV.hex()]
    command += ["--clear_lead", "0"]
    source = f"in={film / 'h264.mp4'},stream=video,output={made},drm_label=V"
    subprocess.run([*command, source], check=True, capture_output=True)
    opened = open_fragments(made, {}, key_of)
    assert opened.locked == opened.samples == 25 * SECONDS
    assert packets(made, "0:0") == packets(film / "h264.mp4", "0:v:0")


def test_transport_streams_become_what_they_were(tmp_path, film):
    protect(film / "h264.mp4", tmp_path, "cbcs", suffix="ts")
    for name, key_id, stream in (("v", VIDEO, "0:v:0"), ("a", AUDIO, "0:a:0")):
        locked, whole, sizes = 0, b"", []
        for number in range(1, SECONDS + 1):
            path = tmp_path / f"{name}-{number}.ts"
            sizes.append(path.stat().st_size)
            locked += open_stream(path, KEYS[key_id], IV, is_packed=False).locked
            assert path.stat().st_size == sizes[-1]  # no packet moves
            whole += path.read_bytes()
        made = tmp_path / f"{name}.ts"
        made.write_bytes(whole)
        raw = ("-c", "copy", "-f", "h264" if name == "v" else "adts", "-")
        filters = ("-bsf:v", "h264_mp4toannexb") if name == "v" else ()
        expected = ffmpeg("-i", film / "h264.mp4", "-map", stream, *filters, *raw)
        found = ffmpeg("-xerror", "-err_detect", "explode", "-i", made, "-map", "0:0", *raw)
        assert locked > 0
        assert digests(found, name) == digests(expected, name)


def test_h265_of_a_transport_stream_is_refused_by_its_name(tmp_path, film):
    path = tmp_path / "h265.ts"
    ffmpeg("-i", film / "h265.mp4", "-c", "copy", path)
    with pytest.raises(ValueError, match=r"H\.265 in MPEG-TS"):
        open_stream(path, KEY, IV, is_packed=False)


def digests(data, name):
    """Of slices, or frames: what the packager puts between them does not count."""
    if name == "v":
        units = [unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")]
        return [hashlib.md5(one).digest() for one in units if one and one[0] & 31 in (1, 5)]
    return [hashlib.md5(one).digest() for one in data.split(b"\xff\xf1")[2:]]


def test_a_slice_loses_the_start_code_prevention_of_its_encryption():
    clear = bytes([0x65]) + bytes(range(1, 100))
    assert open_pictures(b"\0\0\1" + clear[:40] + b"\0\0\0\1\x09", bytes(16), bytes(16)) == (
        b"\0\0\1" + clear[:40] + b"\0\0\0\1\x09",
        0,
    )
    sample = bytearray(b"\0\0\1\x65" + bytes(31) + b"\1" * 31)
    escaped = sample[:4] + b"\1" * 3 + b"\0\0\3\1" + b"\1" * 60
    opened, number = open_pictures(bytes(escaped), bytes(16), bytes(16))
    assert number == 1
    assert len(opened) == len(escaped) - 1


def test_a_counter_of_64_bits_begins_anew():
    key, start = bytes(16), b"\7" * 8 + b"\xff" * 8
    both = counted(key, start, bytes(32))
    assert both[16:] == counted(key, b"\7" * 8 + bytes(8), bytes(16))


@pytest.mark.parametrize("length", [15, 16, 31, 160, 161, 175, 176, 500, 1600])
@pytest.mark.parametrize("pattern", [(1, 9), (5, 5), (0, 0), (2, 1)])
def test_a_pattern_is_taken_block_by_block(length, pattern):
    """Against the loop of the standard."""
    data = bytes(place % 251 for place in range(length))
    sample, expected = bytearray(data), bytearray(data)
    open_sample("cbcs", bytes(16), bytes(16), pattern, sample, [(3, length)])
    crypt, skip = pattern if all(pattern) else (1, 0)
    blocks = [
        place for place in range(3, length - 15, 16) if (place - 3) // 16 % (crypt + skip) < crypt
    ]
    locked = bytearray(b"".join(data[place : place + 16] for place in blocks))
    open_sample("cbc1", bytes(16), bytes(16), (0, 0), locked, [(0, len(locked))])
    for number, place in enumerate(blocks):
        expected[place : place + 16] = locked[16 * number : 16 * number + 16]
    assert sample == expected


# Keys


@pytest.mark.parametrize(
    ("key_id", "key"),
    [
        ("8ba94ade-6eb9-449d-b44f-a5beefaf43b0", "DBFD6922C321C4BB486F4A1C44097ED6"),
        ("339C45B5-FB6D-4BD9-994C-EABD9D41C95B", "a537cdc0ca65841406d525e7bf22d754"),
    ],
)
def test_a_seed_gives_the_keys_that_are_known_of_microsofts_test_server(key_id, key):
    given = ClipKeys.read(0, {"seed": SEED})
    assert given.of(UUID(key_id).bytes) == bytes.fromhex(key)
    assert "XVBo" not in repr(given)
    with pytest.raises(NoKey, match="does not say its key id"):
        given.of(b"")


KEY = bytes(range(16))


@pytest.mark.parametrize(
    "key_id",
    [
        VIDEO.hex(),
        VIDEO.hex().upper(),
        str(UUID(bytes=VIDEO)),
        b64encode(VIDEO).decode(),
        b64encode(UUID(bytes=VIDEO).bytes_le).decode(),
    ],
)
def test_a_key_is_for_its_own_id(key_id):
    given = ClipKeys.read(0, {"key_id": key_id, "content_key": b64encode(KEY).decode()})
    assert given.of(VIDEO) == KEY
    assert given.of(b"") == KEY
    with pytest.raises(NoKey, match=f"no key was given for the key id {AUDIO.hex()}"):
        given.of(AUDIO)


def test_a_key_without_an_id_is_tried_for_every_one():
    given = ClipKeys.read(0, {"content_key": KEY.hex()})
    assert given.of(VIDEO) == given.of(AUDIO) == KEY


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"content_key": "SECRET"}, r"clips\[0\]\.content_key: expected 32 hexadecimal digits"),
        ({"key_id": "SECRET", "content_key": KEY.hex()}, r"clips\[0\]\.key_id: expected 32"),
        ({"key_id": KEY.hex()}, r"clips\[0\]\.content_key: required"),
        ({"seed": "SECRETSECRET"}, r"clips\[0\]\.seed: expected base64"),
        ({"seed": SEED, "content_key": KEY.hex()}, "in place of"),
    ],
)
def test_keys_that_cannot_be_read_are_named_but_not_shown(said, reason):
    with pytest.raises(PermanentFailure, match=reason) as failure:
        ClipKeys.read(0, said)
    assert "SECRET" not in str(failure.value)


def test_the_key_id_of_a_playready_header_is_read_in_its_own_order():
    guid = b64encode(UUID(bytes=VIDEO).bytes_le).decode()
    for xml in (f"<DATA><KID>{guid}</KID></DATA>", f'<KID ALGID="AESCTR" VALUE="{guid}"></KID>'):
        text = xml.encode("utf-16-le")
        record = b"\1\0" + len(text).to_bytes(2, "little") + text
        header = (len(record) + 6).to_bytes(4, "little") + b"\1\0" + record
        coded = b64encode(header).decode()
        assert header_key_id(coded) == VIDEO.hex()
        assert header_key_id(f"data:text/plain;charset=UTF-16;base64,{coded}") == VIDEO.hex()
    assert header_key_id("skd://one") == header_key_id("AAAA") == ""
    assert content_key(bytes(30), VIDEO) != content_key(bytes(30), AUDIO)


# Hostile sources


def test_files_that_were_tampered_with_raise_nothing_else(tmp_path, film):
    protect(film / "h264.mp4", tmp_path, "cenc")
    head = (tmp_path / "v-init.mp4").read_bytes()
    body = (tmp_path / "v-1.m4s").read_bytes()[:20000]
    fragment = body.find(b"mdat")
    refused = 0
    for place in range(0, max(fragment, len(head)), 7):
        changed_head, changed = bytearray(head), bytearray(body)
        if place < fragment:
            changed[place : place + 4] = b"\xff\xff\xff\xf0"
        if place < len(head):
            changed_head[place : place + 2] = b"\xff\xff"
        path = tmp_path / "changed"
        path.write_bytes(changed)
        try:
            open_fragments(path, open_head(bytes(changed_head)).tracks, lambda _: KEY)
        except ValueError:
            refused += 1
    assert refused > 20


def test_a_transport_stream_that_was_tampered_with_raises_nothing_else(tmp_path, film):
    protect(film / "h264.mp4", tmp_path, "cbcs", suffix="ts")
    body = (tmp_path / "v-1.ts").read_bytes()[: 188 * 60]
    for place in range(0, len(body), 31):
        path = tmp_path / "changed"
        path.write_bytes(body[:place] + b"\xff\x01\x00" + body[place + 3 :])
        try:
            open_stream(path, KEY, IV, is_packed=False)
        except ValueError:
            continue
        assert path.stat().st_size == len(body)


async def test_a_key_that_few_samples_prove_is_told(tmp_path, monkeypatch):
    """Of decoders that overlook garbage: one that was decoded says little."""

    class Decoder:
        async def fails(self, head, body, opened):
            return False

    def found(number, *, is_sure):
        opened = Opened(number, number, {b"k" * 16}, is_sure=is_sure)
        monkeypatch.setattr("taskengine.capture.locks.open_fragments", lambda *_: opened)

    locks = Locks(None, ClipKeys(), Decoder())
    segment = Segment(0, Fraction(0), Fraction(2), Resource("u"))
    found(5, is_sure=True)
    await locks.open_samples(1, segment, tmp_path, Head())
    assert locks.weakness == ""
    found(50, is_sure=False)
    await locks.open_samples(0, segment, tmp_path, Head())
    assert "only 50 samples" in locks.weakness
    await locks.open_samples(0, segment, tmp_path, Head())
    assert locks.weakness == ""


async def test_keys_of_playlists_are_remembered_within_a_bound(monkeypatch):
    monkeypatch.setattr("taskengine.capture.locks.MAX_KEYS", 2)
    asked = []

    class KeyServer:
        async def get(self, resource, limit):
            asked.append(resource.url)
            return Answer(bytes(limit), resource.url)

    locks = Locks(KeyServer(), ClipKeys(), None)
    for url in ("a", "b", "c", "c", "b", "a"):
        assert await locks._of_playlist(Resource(url)) == bytes(16)
    assert asked == ["a", "b", "c", "a"]
