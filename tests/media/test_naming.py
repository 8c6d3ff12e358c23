import uuid
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskengine.media.naming import (
    Extension,
    ManifestName,
    active_name,
    parked_name,
    parse_name,
)
from taskengine.model import BadInput

GUID = "1f0e6a52-5c3b-4d5e-9a57-6f1f5a2b3c9a"
CONTENT_IDS = [
    "c1",
    "a_drm_b",
    "x_aes",
    "a.b.m3u8",
    "c.drm",
    "a+b(c)[d]*?^$|",
    "ü ñ",
    "c\n",
    "nodrm",
]

content_ids = st.sampled_from(CONTENT_IDS) | st.text(
    st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1, max_size=30
)
guids = st.uuids(version=4).map(str)
epochs = st.integers(0, 9_999_999_999)
kinds = st.sampled_from([("drm", False), ("drm", True), ("nodrm", False)])
extensions = st.sampled_from(get_args(Extension))


def test_names_are_those_of_the_contract():
    assert active_name("c1", "drm", GUID, "ism") == f"c1_drm_{GUID}.ism"
    assert active_name("c1", "drm", GUID, "ism", aes=True) == f"c1_drm_{GUID}_aes.ism"
    assert active_name("c1", "nodrm", GUID, "mpd") == f"c1_nodrm_{GUID}.mpd"
    parked = f"1594039706_{GUID}_c1"
    assert parked_name("c1", "drm", 1594039706, GUID, "ism") == f"{parked}.drm"
    assert parked_name("c1", "drm", 1594039706, GUID, "ism", aes=True) == f"{parked}_aes.drm"
    assert parked_name("c1", "nodrm", 1594039706, GUID, "ism") == f"{parked}.nodrm"
    assert parked_name("c1", "drm", 1594039706, GUID, "m3u8") == f"{parked}.m3u8.drm"


def test_the_names_of_the_contracts_log_sample_are_understood():
    content_id = "a40fdaff-f904-4ea5-b893-a89152708952"
    guid = "9529e5b3-14f0-4b3a-bb9c-97f5615a0d96"
    assert parse_name(content_id, f"1594039706_{guid}_{content_id}_aes.drm") == ManifestName(
        "drm", guid, "ism", aes=True, epoch=1594039706
    )
    assert parse_name(content_id, f"{content_id}_drm_{guid}.ism") == ManifestName(
        "drm", guid, "ism"
    )


@given(content_ids, kinds, guids, extensions)
def test_an_active_name_says_what_it_was_made_of(content_id, kind, guid, extension):
    tag, aes = kind
    name = active_name(content_id, tag, guid, extension, aes=aes)
    said = ManifestName(tag, guid, extension, aes)
    assert parse_name(content_id, name) == said
    assert said.active


@given(content_ids, kinds, epochs, guids, extensions)
def test_a_parked_name_says_what_it_was_made_of(content_id, kind, epoch, guid, extension):
    tag, aes = kind
    name = parked_name(content_id, tag, epoch, guid, extension, aes=aes)
    said = ManifestName(tag, guid, extension, aes, epoch)
    assert parse_name(content_id, name) == said
    assert not said.active
    assert not name.endswith((".ism", ".m3u8", ".mpd"))


@given(content_ids, st.text(min_size=1, max_size=5), kinds, epochs, guids)
def test_longer_content_ids_are_others(content_id, more, kind, epoch, guid):
    longer = more.translate(dict.fromkeys(map(ord, "/\\\0"), "_")) + content_id
    tag, aes = kind
    names = [
        active_name(longer, tag, guid, "ism", aes=aes),
        parked_name(longer, tag, epoch, guid, "ism", aes=aes),
    ]
    assert [parse_name(content_id, name) for name in names] == [None, None]


@pytest.mark.parametrize(
    "name",
    [
        f"x_c_drm_{GUID}.ism",
        f"1594039706_{GUID}_x_c.drm",
        f"c_drm_{GUID}.ism\n",
        f"c_drm_{GUID.upper()}.ism",
        f"c_drm_{GUID[:-1]}.ism",
        f"c_clear_{GUID}.ism",
        f"c_nodrm_{GUID}_aes.ism",
        f"sub/c_drm_{GUID}.ism",
        f"c_{GUID}.ismv",
        f"159403970_{GUID}_c.drm",
        f"15940397060_{GUID}_c.drm",
        f"٠594039706_{GUID}_c.drm",
        f"1594039706_{GUID}_c.ism.drm",
        f"1594039706_{GUID}_c.m3u8",
        "c.ism",
        "",
    ],
)
def test_other_names_are_no_manifests(name):
    assert parse_name("c", name) is None


@pytest.mark.parametrize("content_id", ["", "a/b", "../c", "a\\b", "a\0"])
def test_a_content_id_leads_into_no_other_folder(content_id):
    with pytest.raises(BadInput):
        active_name(content_id, "drm", str(uuid.uuid4()), "ism")
    with pytest.raises(BadInput):
        parked_name(content_id, "drm", 0, str(uuid.uuid4()), "ism")


def test_the_clear_set_has_no_aes_variant():
    with pytest.raises(ValueError, match="AES"):
        active_name("c", "nodrm", GUID, "ism", aes=True)
