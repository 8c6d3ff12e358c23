"""GET and POST /pauses, DELETE /pauses/<kind>/<name>."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskengine.times import format_time

ACME = {"kind": "client", "name": "demo-client"}


async def listed(who):
    return (await who.send("GET", "/pauses"))[1]["pauses"]


async def test_an_admin_pauses_a_client_and_ends_the_pause(admin, client, api):
    status, content = await admin.send("POST", "/pauses", ACME)
    assert (status, list(content)) == (200, ["result", "pauses"])
    [shown] = content["pauses"]
    assert {key: shown[key] for key in ("kind", "name", "until")} == {**ACME, "until": None}
    assert await listed(client) == [shown]
    status, content = await admin.send("DELETE", "/pauses/client/demo-client")
    assert (status, content["pauses"]) == (200, [])
    assert (await admin.send("DELETE", "/pauses/client/demo-client"))[0] == 404


async def test_a_pause_has_an_end_in_time_to_come(admin, api):
    now = api.services.now()
    until = format_time(now + timedelta(hours=1))
    _, content = await admin.send("POST", "/pauses", {**ACME, "until": until})
    assert [one["until"] for one in content["pauses"]] == [until]
    over = format_time(now - timedelta(seconds=1))
    status, content = await admin.send("POST", "/pauses", {**ACME, "until": over})
    assert (status, content["error"]) == (400, f"until: expected a time to come, got {over}")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "job"}, "kind: expected one of client, workflow, queue, instance"),
        ({"name": ""}, "name: expected a text of at most 200 characters"),
        ({"name": "nobody"}, "name: there is no client 'nobody'"),
        ({"kind": "queue"}, "name: expected a queue of work, windows_capture"),
        ({"until": "soon"}, "until: expected a time such as 2031-02-01T08:30:00.000"),
        ({"untill": "x"}, "untill: unknown"),
    ],
)
async def test_what_cannot_be_paused_is_refused(admin, change, told):
    status, content = await admin.send("POST", "/pauses", {**ACME, **change})
    assert (status, told in content["error"]) == (400, True), content
    assert await listed(admin) == []


async def test_pauses_are_made_by_admins_alone_and_seen_by_whom_they_concern(admin, client):
    assert (await client.send("POST", "/pauses", ACME))[0] == 403
    assert (await client.send("DELETE", "/pauses/client/demo-client"))[0] == 403
    for given in ({"kind": "client", "name": "other"}, {"kind": "queue", "name": "work"}):
        assert (await admin.send("POST", "/pauses", given))[0] == 200
    assert [one["kind"] for one in await listed(admin)] == ["client", "queue"]
    assert [one["kind"] for one in await listed(client)] == ["queue"]


async def test_what_this_engine_does_not_know_is_paused_with_a_warning(admin):
    _, content = await admin.send("POST", "/pauses", {"kind": "workflow", "name": "drmswich"})
    assert content["warnings"] == [
        "name: paused, but this engine knows no workflow 'drmswich'; is 'drmswitch' meant?"
    ]
    _, content = await admin.send("POST", "/pauses", {"kind": "instance", "name": "host/a"})
    assert "no instance 'host/a'" in content["warnings"][0]
    assert (await admin.send("DELETE", "/pauses/instance/host/a"))[0] == 200
    assert (await admin.send("DELETE", "/pauses/instance/host%00"))[0] == 404


async def test_a_pause_is_written_into_the_log_of_the_engine(admin, caplog):
    caplog.set_level("INFO", "taskengine.audit")
    await admin.send("POST", "/pauses", ACME)
    await admin.send("DELETE", "/pauses/client/demo-client")
    told = [record.getMessage() for record in caplog.records if record.name == "taskengine.audit"]
    assert ["paused until somebody" in told[0], "paused no more" in told[1]] == [True, True]
