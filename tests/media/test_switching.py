import uuid
from itertools import count
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskengine.media.naming import Extension, active_name, parked_name, parse_name
from taskengine.media.switching import plan_switch
from taskengine.model import PermanentFailure, Severity

C = "film_drm_1"
SLOTS = {
    "drm": [(aes, extension) for aes in (False, True) for extension in get_args(Extension)],
    "nodrm": [(False, extension) for extension in get_args(Extension)],
}
seconds = count(1594039706)


def switch(folder, *, drm=False, job=None):
    """Plan a switch of the files in a folder: a dict of names and contents."""
    job = job or uuid.uuid4()
    return plan_switch(
        C,
        folder,
        drm=drm,
        epoch=next(seconds),
        guid=lambda label: str(uuid.uuid5(job, label)),
    )


def rename(folder, renames):
    """What a storage does: source gone and target there is done."""
    folder = dict(folder)
    for old, new in renames:
        if old in folder:
            assert new not in folder
            folder[new] = folder.pop(old)
        assert new in folder
    return folder


def active(folder):
    """The active manifests by kind, AES or not, extension."""
    said = {name: parse_name(C, name) for name in folder}
    return {
        (name.tag, name.aes, name.extension): folder[file]
        for file, name in said.items()
        if name and name.active
    }


def kinds(folder):
    return {tag for tag, _aes, _extension in active(folder)}


def stems(folder):
    said = (parse_name(C, name) for name in folder)
    return {name.guid for name in said if name and name.active}


def a_set(tag, slots, epoch=None):
    guid = str(uuid.uuid4())
    return {
        active_name(C, tag, guid, extension, aes=aes)
        if epoch is None
        else parked_name(C, tag, epoch, guid, extension, aes=aes): (tag, aes, extension, guid)
        for aes, extension in slots
    }


def slots_of(tag):
    rest = [slot for slot in SLOTS[tag] if slot != (False, "ism")]
    return st.sets(st.sampled_from(rest)).map(lambda some: [(False, "ism"), *some])


@st.composite
def assets(draw, active=("drm", "nodrm")):
    """A folder with one set active, one of the other kind parked, older ones, other files."""
    up = draw(st.sampled_from(active))
    down = "nodrm" if up == "drm" else "drm"
    folder = {f"{C}_{uuid.uuid4()}.ismv": "media", "c_drm.ism": "other", f"x_{C}.drm": "other"}
    folder |= a_set(up, draw(slots_of(up)))
    for number in range(draw(st.integers(1, 3))):
        tag = down if number == 0 else draw(st.sampled_from(["drm", "nodrm"]))
        folder |= a_set(tag, draw(slots_of(tag)), 1500000000 + number)
    return folder


@given(assets())
def test_a_switch_changes_the_active_kind_and_loses_nothing(folder):
    plan = switch(folder)
    after = rename(folder, plan.renames)
    assert kinds(after) == {plan.direction} == {"drm", "nodrm"} - kinds(folder)
    assert len(stems(after)) == 1
    assert plan.active_manifest in after
    assert sorted(map(str, after.values())) == sorted(map(str, folder.values()))
    assert {name for name in after if (n := parse_name(C, name)) and n.active} == set(
        plan.manifests
    )


@given(assets())
def test_the_set_parked_last_is_activated_whole(folder):
    plan = switch(folder)
    parked = [n for file in folder if (n := parse_name(C, file)) and n.tag == plan.direction]
    newest = max(n.epoch for n in parked)
    guid = next(n.guid for n in parked if n.epoch == newest)
    expected = {what for what in folder.values() if guid in what}
    assert set(active(rename(folder, plan.renames)).values()) == expected


@given(assets())
def test_two_switches_give_back_what_was(folder):
    once = rename(folder, switch(folder).renames)
    twice = rename(once, switch(once).renames)
    assert active(twice) == active(folder)
    assert stems(twice).isdisjoint(stems(folder))


@given(assets(), st.data())
def test_an_attempt_that_breaks_off_is_repeated_without_harm(folder, data):
    plan = switch(folder)
    done = data.draw(st.integers(0, len(plan.renames)))
    begun = rename(folder, plan.renames[:done])
    assert rename(begun, plan.renames) == rename(folder, plan.renames)
    assert rename(rename(begun, plan.renames), plan.renames) == rename(folder, plan.renames)


@given(assets(), st.data())
def test_the_same_attempt_plans_the_same(folder, data):
    job = uuid.uuid4()
    guid = lambda label: str(uuid.uuid5(job, label))  # noqa: E731
    first, second = (
        plan_switch(C, names, drm=False, epoch=1594039706, guid=guid)
        for names in (list(folder), data.draw(st.permutations(list(folder))))
    )
    assert first == second


@given(assets(), st.data())
def test_a_switch_given_up_halfway_leaves_a_main_manifest_and_is_mended_by_the_next(folder, data):
    plan = switch(folder)
    begun = rename(folder, plan.renames[: data.draw(st.integers(0, len(plan.renames)))])
    mains = {tag for tag, aes, extension in active(begun) if (aes, extension) == (False, "ism")}
    assert mains
    repair = switch(begun)
    after = rename(begun, repair.renames)
    expected = "nodrm" if mains == {"drm"} else "drm"
    assert kinds(after) == {expected}
    assert len(stems(after)) == 1
    whole = rename(folder, plan.renames)
    assert active(after) == (active(whole) if plan.direction == expected else active(folder))


@given(assets(active=("drm",)), assets(active=("nodrm",)))
def test_where_both_kinds_are_active_the_clear_one_is_parked(with_drm, clear):
    folder = with_drm | clear
    after = rename(folder, switch(folder).renames)
    assert active(after) == active(with_drm)
    assert stems(after) == stems(with_drm)


def test_drm_goes_on_where_nothing_is_active():
    folder = a_set("drm", SLOTS["drm"], 1500000000) | a_set("nodrm", SLOTS["nodrm"], 1600000000)
    assert kinds(rename(folder, switch(folder).renames)) == {"drm"}


@pytest.mark.parametrize(
    "folder",
    [{}, a_set("nodrm", SLOTS["nodrm"]), a_set("nodrm", SLOTS["nodrm"], 1500000000)],
    ids=["nothing", "clear active", "clear parked"],
)
def test_drm_without_a_manifest_needs_the_systems(folder):
    with pytest.raises(PermanentFailure, match="'drm' is not given"):
        switch(folder)
    plan = switch(folder, drm=True)
    assert plan.direction == plan.missing == "drm"
    assert list(plan.manifests) == [plan.active_manifest]
    assert kinds(rename(folder, plan.renames)) == set()
    assert plan.lines("d")[0] == (Severity.INFO, "switching to DRM manifest")


def test_a_missing_clear_set_is_made():
    folder = a_set("drm", SLOTS["drm"])
    plan = switch(folder)
    assert plan.direction == plan.missing == "nodrm"
    assert [line for severity, line in plan.lines("out/c") if severity is Severity.INFO][:2] == [
        "switching to non-DRM manifest",
        f"No non-DRM manifest found. New manifest: {plan.active_manifest}",
    ]


def test_the_given_systems_do_not_matter_where_a_set_is_parked():
    folder = a_set("drm", SLOTS["drm"], 1500000000) | a_set("nodrm", SLOTS["nodrm"])
    assert switch(folder, drm=True).missing is None


def test_the_log_names_server_manifests_at_info_and_companions_at_debug():
    drm = a_set("drm", SLOTS["drm"], 1594039706)
    clear = a_set("nodrm", SLOTS["nodrm"])
    plan = switch(drm | clear)
    new = dict(plan.renames)
    main = next(name for name, (_, *slot, _) in drm.items() if slot == [False, "ism"])
    aes = next(name for name, (_, *slot, _) in drm.items() if slot == [True, "ism"])
    old = next(name for name in clear if name.endswith(".ism"))
    lines = plan.lines("out/c")
    assert [line for severity, line in lines if severity is Severity.INFO] == [
        "switching to DRM manifest",
        f"Activating out/c/{main}. New manifest: {new[main]}",
        "switching to DRM manifest",
        f"Activating out/c/{aes}. New manifest: {new[aes]}",
        f"De-activating out/c/{old}. New name: {new[old]}",
    ]
    assert sum(severity is Severity.DEBUG for severity, _ in lines) == 6
    assert plan.active_manifest == new[main]


def test_the_log_says_what_happens_where_only_parking_is_left():
    folder = a_set("drm", [(False, "ism")]) | a_set("nodrm", [(False, "ism")])
    lines = [line for _, line in switch(folder).lines("d")]
    assert lines[0] == "switching to DRM manifest"
    assert len(lines) == 2


def test_several_active_sets_of_a_kind_are_all_parked():
    clear = a_set("nodrm", SLOTS["nodrm"]) | a_set("nodrm", SLOTS["nodrm"])
    folder = clear | a_set("drm", SLOTS["drm"], 1500000000)
    after = rename(folder, switch(folder).renames)
    assert kinds(after) == {"drm"}
    assert len(after) == len(folder)


def test_companions_alone_make_no_kind_active():
    folder = a_set("drm", SLOTS["drm"]) | a_set("nodrm", [(False, "m3u8")])
    plan = switch(folder)
    assert plan.direction == plan.missing == "nodrm"
    assert kinds(rename(folder, plan.renames)) == set()
