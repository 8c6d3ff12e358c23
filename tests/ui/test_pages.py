"""Each page shows what it is for, each action does what it says; what is another's is refused."""

import json
from datetime import timedelta

import pytest

from taskengine.model import (
    Began,
    CallbackState,
    Ended,
    JobState,
    Outcome,
    Progressed,
    Severity,
    Written,
)
from taskengine.schedules import SUBMIT_JOB, Schedule
from taskengine.testing.contract.world import CHAIN, failed, submission
from tests.api.conftest import job_body

HOOK = "https://hooks.example.test/in?token=abcdefgh12345678"


async def test_the_list_shows_jobs_with_their_states(api, admin):
    for number in range(3):
        await api.accepted(job_body(content_id=f"film-{number}"))
    page = await admin.get("jobs")
    assert page.status == 200
    for number in range(3):
        assert f"film-{number}" in page.plain
    assert page.text.count('class="badge queued"') == 3


async def test_the_list_is_filtered_and_searched_as_the_api_does(api, admin):
    first = await api.accepted(job_body(content_id="film-1"))
    await api.accepted(job_body(content_id="clip-2"))
    await api.refused({"job": {"workflow": "none"}, "parameters": {"content_id": "film-9"}})
    found = await admin.get("jobs?search=FILM")
    assert ("film-1" in found.plain, "clip-2" in found.plain) == (True, False)
    assert f">{first}</a>" in (await admin.get(f"jobs?search={first}")).text
    assert "No job fits." in (await admin.get("jobs?state=started")).plain
    assert "refused" in (await admin.get("jobs?state=broken")).plain
    wrong = await admin.get("jobs?from=yesterday")
    assert (wrong.status, "from: expected a date" in wrong.plain) == (400, True)


async def test_the_list_goes_on_by_key(api, admin):
    for number in range(5):
        await api.accepted(job_body(content_id=f"film-{number}"))
    page, seen = await admin.get("jobs?items=2"), []
    while True:
        seen += [number for number in range(5) if f"film-{number}" in page.plain]
        if 'rel="next"' not in page.text:
            break
        target = page.text.partition(' rel="next"')[0].rpartition('href="')[2].rstrip('"')
        page = await admin.get(target.replace("&amp;", "&"))
    assert seen == [3, 4, 1, 2, 0]


@pytest.mark.parametrize("part", ["", "/log", "/callbacks", "/parameters", "/files/a.mp4"])
async def test_a_job_of_another_client_is_refused(api, visitor, part):
    job_id = await api.accepted(job_body())
    other = await visitor("other")
    answer = await other.get(f"jobs/{job_id}{part}")
    assert (answer.status, "this belongs to another client" in answer.plain) == (403, True)
    assert "c-77" not in answer.text
    assert "c-77" not in (await other.get("jobs")).text
    assert (await other.get("jobs?client=demo-client")).status == 403
    assert (await other.get(f"events?job={job_id}")).status == 403


async def test_an_action_on_a_job_of_another_client_is_refused(api, visitor):
    job_id = await api.accepted(job_body())
    other = await visitor("other")
    assert (await other.post(f"jobs/{job_id}", do="break")).status == 403
    assert (await other.post(f"jobs/{job_id}/callbacks/1")).status == 403
    assert (await api.job(job_id)).job.state is JobState.QUEUED


@pytest.mark.parametrize("path", ["jobs/77", "jobs/77/log", "jobs/x", "nothing", "jobs/1/tasks/a"])
async def test_what_is_not_there_is_told_as_a_page(admin, path):
    answer = await admin.get(path)
    assert answer.status == (400 if path == "jobs/x" else 404)
    assert "That is not possible" in answer.plain
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_a_job_shows_why_it_waits_and_where(api, admin):
    job_id = await api.accepted(job_body(job={"run_at": "2031-02-01T08:30:00Z"}))
    page = await admin.get(f"jobs/{job_id}")
    assert "It is to run at 2031-02-01T08:30:00.000Z." in page.plain
    assert "Its tasks are written when the job starts." in page.plain


async def test_a_job_shows_when_it_is_expected_to_start_or_why_nobody_can_tell(api, admin):
    number = await api.accepted(job_body())
    await api.store.put_setting("", "max_jobs", "0")
    page = await admin.get(f"jobs/{number}")
    assert "Nobody can tell when it starts: max_jobs of the system is 0." in page.plain


async def test_a_job_shows_its_tasks_in_time(api, admin, world, now):
    [job_id] = await api.store.submit([submission(CHAIN)], now)
    await world.admit(now)
    await api.store.offer(world.instance, "work", ["core.noop"])
    [attempt] = await world.claim(1, now)
    fence = attempt.fence
    records = [Began(fence, now - timedelta(seconds=9)), Progressed(fence, 0.4)]
    await api.store.record(world.instance, [*records, Written(fence, now, "so far")], now)
    page = await admin.get(f"jobs/{job_id}")
    assert 'aria-label="Progress of a">40 %' in page.text
    assert "9.0 s" in page.plain
    assert "so far" in page.plain
    assert "1 working" in page.plain.replace("1 ", "1 ", 1)
    waiting = await admin.get(f"jobs/{job_id}?state=waiting")
    assert ("tasks/b" in waiting.text, 'tasks/a"' in waiting.text) == (True, False)
    assert (await admin.get(f"jobs/{job_id}?state=odd")).status == 400
    await api.store.record(world.instance, [failed(attempt, "no such file", now)], now)
    assert "'a' failed: no such file" in (await admin.get(f"jobs/{job_id}")).plain


async def test_tasks_come_page_by_page(api, admin, world, now, monkeypatch):
    monkeypatch.setattr("taskengine.ui.job.TASKS", 2)
    [job_id] = await api.store.submit([submission(CHAIN)], now)
    await world.admit(now)
    first = await admin.get(f"jobs/{job_id}")
    assert ('tasks/c"' in first.text, 'href="?after=1#tasks"' in first.text) == (False, True)
    second = await admin.get(f"jobs/{job_id}?after=1")
    assert ('tasks/c"' in second.text, 'tasks/a"' in second.text) == (True, False)


async def test_a_task_shows_what_it_was_given_and_gave_without_secrets(api, admin, world, now):
    body = job_body(token="a-very-secret-token")
    job_id = await api.accepted(body)
    await world.admit(now)
    await api.store.offer(world.instance, "work", ["core.noop"])
    [attempt] = await world.claim(1, now)
    before = await admin.get(f"jobs/{job_id}/tasks/rename_manifests")
    assert "The task has not begun: they are not known yet." in before.plain
    result = json.dumps({"files": ["a.m3u8"], "said": "a-very-secret-token", "password": "x" * 20})
    await api.store.record(
        world.instance,
        [Began(attempt.fence, now), Ended(attempt.fence, now, Outcome.COMPLETED, result=result)],
        now,
    )
    page = await admin.get(f"jobs/{job_id}/tasks/get_filenames")
    assert "a.m3u8" in page.plain
    assert "a-very-secret-token" not in page.text
    assert "x" * 20 not in page.text
    whole = await admin.get(f"jobs/{job_id}/parameters")
    assert "a-very-secret-token" not in whole.text
    assert "c-77" in whole.plain
    assert "It is in force now." in whole.plain


async def test_what_people_wrote_is_no_markup(api, admin, now):
    job_id = await api.accepted(job_body(content_id="<script>alert(1)</script>"))
    await api.store.change(
        job_id, {"priority": 3}, [(Severity.INFO, "api", "<img src=x onerror=alert(1)>")], now
    )
    for path in ("jobs", f"jobs/{job_id}", f"jobs/{job_id}/log", f"jobs/{job_id}/parameters"):
        text = (await admin.get(path)).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


async def test_the_log_shows_the_last_lines_and_the_way_to_earlier_ones(
    api, admin, now, monkeypatch
):
    monkeypatch.setattr("taskengine.ui.job.LINES", 3)
    job_id = await api.accepted(job_body())
    for number in range(5):
        level = Severity.DEBUG if number == 4 else Severity.INFO
        await api.store.change(job_id, {"priority": 3}, [(level, "api", f"line-{number}")], now)
    page = await admin.get(f"jobs/{job_id}/log")
    shown = [number for number in range(5) if f"line-{number}" in page.plain]
    assert shown == [1, 2, 3]
    earlier = page.text.partition('href="?before=')[2].partition('"')[0]
    assert "line-0" in (await admin.get(f"jobs/{job_id}/log?before={earlier}")).plain
    assert "line-4" in (await admin.get(f"jobs/{job_id}/log?show_all=1")).plain


@pytest.mark.parametrize(
    ("wanted", "fields", "state", "told"),
    [
        ("pause", {}, "paused", "is paused"),
        ("break", {}, "broken", "is stopped"),
        ("top", {}, "queued", "goes before all others"),
        ("priority", {"priority": "2"}, "queued", "has the priority 2"),
    ],
)
async def test_an_action_does_what_it_says_and_tells_of_it(api, owner, wanted, fields, state, told):
    job_id = await api.accepted(job_body())
    answer = await owner.post(f"jobs/{job_id}", do=wanted, back="jobs?search=c", **fields)
    assert (answer.status, answer.headers["Location"]) == (303, "../jobs?search=c")
    job = (await api.job(job_id)).job
    assert job.state.label == state
    assert job.top_of_queue is (wanted == "top")
    assert job.priority == int(fields.get("priority", 5))
    page = await owner.get("jobs")
    assert f"Job {job_id} {told}" in page.plain
    assert f"Job {job_id} {told}" not in (await owner.get("jobs")).plain  # it is said once
    lines = [json.loads(one.message) for one in await api.lines(job_id) if '"path"' in one.message]
    assert lines[-1]["path"] == f"POST /ui/jobs/{job_id}"
    assert lines[-1]["headers"]["HTTP_CLIENT"] == "demo-client"
    assert "taskengine-session" not in json.dumps(lines)


async def test_an_admin_acts_on_the_jobs_of_all(api, admin):
    job_id = await api.accepted(job_body())
    await admin.post(f"jobs/{job_id}", do="pause")
    assert (await api.job(job_id)).job.state is JobState.PAUSED
    [line] = [one.message for one in await api.lines(job_id) if "HTTP_CLIENT" in one.message][-1:]
    assert json.loads(line)["headers"]["HTTP_CLIENT"] == "root"
    await admin.post(f"jobs/{job_id}", do="resume")
    assert (await api.job(job_id)).job.state is JobState.QUEUED


async def test_an_action_that_the_state_forbids_is_told(api, owner):
    job_id = await api.accepted(job_body())
    await owner.post(f"jobs/{job_id}", do="break")
    answer = await owner.post(f"jobs/{job_id}", do="pause")
    assert (answer.status, "the job is broken" in answer.plain) == (400, True)
    assert (await owner.post(f"jobs/{job_id}", do="explode")).status == 400


async def test_a_job_runs_again(api, owner):
    job_id = await api.accepted(job_body())
    answer = await owner.post(f"jobs/{job_id}", do="rerun_current")
    assert answer.headers["Location"] == f"../jobs/{job_id + 1}"
    again = await api.job(job_id + 1)
    assert again.rerun_of == job_id
    page = await owner.get(f"jobs/{job_id + 1}")
    assert f"Job {job_id} runs again as job {job_id + 1}." in page.plain
    assert f"runs job {job_id} again" in page.plain


async def test_a_callback_is_sent_again(api, owner, world, now):
    job_id = await api.accepted(job_body(rest_endpoints=[HOOK]))
    await world.admit(now)
    await api.store.offer(world.instance, "work", ["core.noop"])
    [attempt] = await world.claim(1, now)
    await api.store.record(world.instance, [Began(attempt.fence, now)], now)
    page = await owner.get(f"jobs/{job_id}/callbacks")
    assert "hooks.example.test" in page.plain
    assert "abcdefgh12345678" not in page.text
    [entry] = await api.store.callbacks(job_id)
    answer = await owner.post(f"jobs/{job_id}/callbacks/{entry.id}")
    assert answer.status == 303
    assert f"Callback {entry.id} is sent again." in (await owner.get("jobs")).plain
    [entry] = await api.store.callbacks(job_id)
    assert entry.state is CallbackState.WAITING
    assert (await owner.post(f"jobs/{job_id}/callbacks/4711")).status == 404


async def test_now_shows_what_runs_where_and_what_waits(api, admin, owner, world, now):
    await api.accepted(job_body(content_id="running"))
    await world.admit(now)
    await api.store.offer(world.instance, "work", ["core.noop"])
    await world.claim(1, now)
    await api.accepted(job_body(content_id="waiting"))
    page = await admin.get("")
    assert page.status == 200
    for told in ("running", "waiting", "get_filenames", "1 started", "1 queued", "Instances"):
        assert told in page.plain, told
    assert "0 in 24 h, 0 failed" in page.plain
    own = await owner.get("")
    assert "running" in own.plain
    assert "Instances" not in own.plain
    assert "Queues of tasks" not in own.plain


async def test_now_marks_an_instance_with_other_workflow_files(api, admin, now):
    for name, digest in (("same", api.services.library().digest), ("odd", "other")):
        await api.store.put_workflows(await api.store.join(name, now), digest)
    page = (await admin.get("")).plain
    assert page.count("other workflow files than here") == 1
    assert page.index("odd") < page.index("other workflow files")


async def test_now_shows_a_client_nothing_of_others(api, visitor, world, now):
    await api.accepted(job_body(content_id="not-for-others"))
    await world.admit(now)
    page = await (await visitor("other")).get("")
    assert "not-for-others" not in page.text
    assert "demo-client" not in page.text


async def test_very_many_schedules_come_by_pages_without_large_jobs(api, owner, now):
    body = {"job": {"workflow": "drmswitch"}, "parameters": {"folder": "x" * 20_000}}
    for number in range(100):
        one = Schedule(f"s{number:03}", SUBMIT_JOB, "", every=60, client="demo-client", body=body)
        await api.store.put_schedule(one.starting(now))
    first, second = await owner.get("schedules"), await owner.get("schedules?after=100")
    assert ("s096" in first.plain, "s097" in first.plain) == (True, False)
    assert ("s096" in second.plain, "s097" in second.plain) == (False, True)
    assert "a large job" in second.plain
    assert "?after=100" in first.text
    assert "?after=" not in second.text


async def test_schedules_are_switched_run_and_removed(api, owner, now):
    body = {"job": {"workflow": "drmswitch"}, "parameters": job_body()["parameters"]}
    schedule = Schedule(
        "nightly", SUBMIT_JOB, "Each night.", cron="30 4 * * *", client="demo-client", body=body
    )
    await api.store.put_schedule(schedule.starting(now))
    page = await owner.get("schedules")
    assert "cron 30 4 * * * (UTC)" in page.plain
    assert "clear_old_jobs" in page.plain
    await owner.post("schedules", schedule="nightly", do="off")
    assert "nightly is switched off" in (await owner.get("schedules")).plain
    await owner.post("schedules", schedule="nightly", do="run")
    assert "The schedule nightly was run: job 1." in (await owner.get("jobs")).plain
    assert (await api.job(1)).job.workflow == "drmswitch"
    assert (await owner.post("schedules", schedule="clear_old_jobs", do="off")).status == 403
    await owner.post("schedules", schedule="nightly", do="remove")
    assert [one.name for one in await api.store.schedules() if one.client] == []
    assert (await owner.post("schedules", schedule="nightly", do="run")).status == 404


async def test_a_schedule_of_another_client_is_neither_seen_nor_run(api, visitor, now):
    schedule = Schedule("theirs", SUBMIT_JOB, "", cron="30 4 * * *", client="demo-client", body={})
    await api.store.put_schedule(schedule.starting(now))
    other = await visitor("other")
    assert "theirs" not in (await other.get("schedules")).plain.split()
    for wanted, status in (("run", 404), ("remove", 404), ("off", 400)):
        assert (await other.post("schedules", schedule="theirs", do=wanted)).status == status


async def test_a_workflow_shows_its_plan_and_a_form(owner):
    assert "drmswitch" in (await owner.get("workflows")).plain
    page = await owner.get("workflows/drmswitch")
    assert page.text.count("<rect") >= 2
    assert 'name="p.content_id"' in page.text
    assert '<input name="p.token" type="password"' in page.text
    assert (await owner.get("workflows/none")).status == 404


async def test_a_form_submits_a_job(api, owner):
    fields = {"p.content_id": "film-1", "p.folder": "vod", "p.enable_drm": "true", "priority": "2"}
    answer = await owner.post("workflows/drmswitch", **fields)
    assert (answer.status, answer.headers["Location"]) == (303, "../jobs/1")
    job = await api.job(1)
    assert job.submitted == {"content_id": "film-1", "folder": "vod", "enable_drm": True}
    assert (job.job.priority, job.job.client) == (2, "demo-client")


async def test_a_form_submits_a_document(api, admin):
    document = json.dumps({"content_id": "film-1", "folder": "vod"})
    answer = await admin.post("workflows/drmswitch", document=document, client="demo-client")
    assert answer.status == 303
    assert (await api.job(1)).job.client == "demo-client"


async def test_a_refused_form_says_why_and_keeps_what_was_written(owner):
    answer = await owner.post("workflows/drmswitch", **{"p.content_id": "film-1"})
    assert answer.status == 400
    assert "folder: required" in answer.plain
    assert 'value="film-1"' in answer.text
    broken = await owner.post("workflows/drmswitch", document="[")
    assert (broken.status, "expected JSON" in broken.plain) == (400, True)
    foreign = await owner.post("workflows/drmswitch", client="other", document="{}")
    assert foreign.status == 403


async def test_clients_are_shown_without_their_secrets(api, admin, owner):
    known = await api.store.client("demo-client")
    page = await admin.get("clients")
    for name in ("root", "demo-client", "other"):
        assert name in page.plain
    assert known.key_hash not in page.text
    own = await owner.get("clients")
    assert ("demo-client" in own.plain, "other" in own.plain.split()) == (True, False)


async def test_settings_are_changed_within_their_bounds(api, admin, owner):
    assert "max_jobs" in (await admin.get("settings")).plain
    await admin.post("settings", name="max_jobs", setting="7")
    assert (await api.store.settings(""))["max_jobs"] == "7"
    await admin.post("settings", name="max_jobs", setting="3", client="demo-client")
    assert (await api.store.settings("demo-client"))["max_jobs"] == "3"
    assert (await admin.post("settings", name="max_jobs", setting="-1")).status == 400
    assert (await admin.post("settings", name="max_job", setting="1")).status == 400
    await owner.post("settings", name="max_jobs", setting="2")
    assert (await api.store.settings("demo-client"))["max_jobs"] == "2"
    assert (await owner.post("settings", name="retention_days", setting="1")).status == 400
    other = await owner.post("settings", name="max_jobs", setting="0", client="other")
    assert other.status == 403


async def test_an_admin_gives_a_weight_and_the_clients_page_shows_it(api, admin, owner):
    await admin.post("settings", name="weight", setting="3", client="demo-client")
    assert (await api.store.settings("demo-client"))["weight"] == "3"
    assert "weight 3" in (await admin.get("clients")).plain
    assert "weight 3" in (await owner.get("clients")).plain
    assert "served least" not in (await owner.get("settings")).plain
    assert (await owner.post("settings", name="weight", setting="9")).status == 403


async def test_now_shows_what_is_paused_and_an_admin_ends_it(api, admin, owner):
    given = {"kind": "queue", "name": "work", "until": "2130-02-01T08:30"}
    assert (await admin.post("pauses", **given, do="on")).headers["Location"] == "./"
    page = await owner.get("")
    assert ("queue work" in page.plain, "End the pause" in page.plain) == (True, False)
    assert "End the pause of queue work" in (await admin.get("")).plain
    assert (await owner.post("pauses", kind="queue", name="work", do="off")).status == 403
    [pause] = await api.store.pauses()
    assert (pause.by, pause.until.year) == ("root", 2130)
    await admin.post("pauses", kind="queue", name="work", do="off")
    assert await api.store.pauses() == []
    assert (await admin.post("pauses", kind="queue", name="x", do="on")).status == 400
    assert (await admin.post("pauses", kind="queue", name="work", do="odd")).status == 400


async def test_pages_work_below_the_prefix_of_a_proxy(admin):
    """No link begins at the root of the host."""
    for path in ("", "jobs", "jobs?search=x", "workflows/drmswitch", "settings", "nothing/at/all"):
        text = (await admin.get(path)).text
        for start in ('href="/', 'src="/', 'action="/', 'formaction="/'):
            assert start not in text, path


@pytest.mark.parametrize("path", ["", "jobs", "jobs/1", "jobs/1/log", "settings", "operations"])
async def test_a_query_parameter_that_a_page_does_not_read_is_told(api, admin, path):
    await api.accepted(job_body())
    page = await admin.get(f"{path}?stat=failed")
    assert (page.status, "stat: there is no such query parameter" in page.plain) == (400, True)


async def test_a_name_in_a_path_that_cannot_be_stored_is_no_name(api, admin):
    await api.accepted(job_body())
    assert (await admin.get("jobs/1/tasks/a%00b")).status == 404
