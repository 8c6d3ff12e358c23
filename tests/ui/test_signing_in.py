"""Who may see pages and send forms: sessions, their cookie, the token of forms, roles."""

import logging
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from taskengine.api_keys import hash_key
from taskengine.model import Client
from taskengine.ui import add_pages
from taskengine.ui.session import COOKIE, Ticket
from tests.api.conftest import KEY, job_body

PAGES = ("", "jobs", "jobs/1", "jobs/1/log", "schedules", "workflows", "clients", "settings")


@pytest.mark.parametrize("path", [*PAGES, "events", "jobs/1/files/a.mp4"])
async def test_a_stranger_is_asked_to_sign_in(stranger, path):
    answer = await stranger.get(path)
    assert answer.status == 303
    assert "sign-in" in answer.headers["Location"]
    assert answer.text == ""


async def test_whoever_signs_in_comes_to_the_page_that_was_wanted(stranger):
    sent_away = await stranger.get("jobs/1/log")
    assert sent_away.headers["Location"] == "../../sign-in?next=jobs/1/log"
    form = await stranger.get("sign-in?next=jobs/1/log")
    assert '<input type="hidden" name="next" value="jobs/1/log">' in form.text
    assert (await stranger.sign_in(next="jobs/1/log")).headers["Location"] == "jobs/1/log"


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "javascript:alert(1)",
        "../../x",
        "a\nb",
        "http://[x",
    ],
)
async def test_nobody_is_sent_to_another_site(stranger, place):
    assert (await stranger.sign_in(next=place)).headers["Location"] == "./"


async def test_the_cookie_of_a_session_is_for_pages_alone(stranger):
    answer = await stranger.sign_in()
    [cookie] = [one for one in answer.headers.getlist("Set-Cookie") if one.startswith(COOKIE)]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Max-Age=43200" in cookie
    assert "Secure" not in cookie
    assert KEY not in cookie


async def test_behind_https_the_cookie_is_secure(stranger):
    headers = {"X-Forwarded-Proto": "https", "content-type": "application/x-www-form-urlencoded"}
    answer = await stranger._send("POST", "sign-in", headers, {"client": "root", "key": KEY})
    assert "; Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("client", "key"), [("root", "not-its-key"), ("nobody", KEY), ("", ""), ("root", "")]
)
async def test_a_wrong_key_and_an_unknown_client_are_told_alike(stranger, client, key):
    answer = await stranger.sign_in(client, key)
    assert answer.status == 401
    assert "There is no such client, or its key is another." in answer.plain
    assert COOKIE not in stranger.cookies
    assert key == "" or key not in answer.text


async def test_tries_to_sign_in_are_counted(stranger):
    answers = [await stranger.sign_in("root", "wrong") for _ in range(11)]
    assert [one.status for one in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert (await stranger.sign_in()).status == 429


async def test_a_session_ends_with_its_time(api, admin, now):
    assert (await admin.get("jobs")).status == 200
    for hours, status in ((11.9, 200), (12.1, 303)):
        later = api.with_(now=lambda hours=hours: now + timedelta(hours=hours))
        add_pages(later.app, later.services)
        admin.app = later.app
        assert (await admin.get("jobs")).status == status


async def test_a_new_key_ends_the_sessions_of_its_client(api, admin):
    await api.store.put_client(Client("root", hash_key("another-key"), admin=True))
    assert (await admin.get("jobs")).status == 303
    await api.store.remove_client("root")
    assert (await admin.get("jobs")).status == 303


async def test_a_cookie_of_another_client_is_none(api, owner, stranger):
    """The signature of one session does not fit another's name."""
    text, _, signature = owner.cookies[COOKIE].partition(".")
    forged = replace(Ticket.read(text), client="root").text
    for cookie in (f"{forged}.{signature}", f"{text}.", f"{text}.{'0' * 64}", "x.y", "." * 9):
        stranger.cookies[COOKIE] = cookie
        assert (await stranger.get("jobs")).status == 303


async def test_the_setting_session_secret_signs_too(api, owner):
    other = api.services.configuration.model_copy(update={"session_secret": "of-another-engine"})
    later = api.with_(configuration=other)
    add_pages(later.app, later.services)
    owner.app = later.app
    assert (await owner.get("jobs")).status == 303


async def test_signing_out_ends_a_session(admin):
    answer = await admin.post("sign-out")
    assert answer.status == 303
    assert admin.cookies[COOKIE] == ""
    assert (await admin.get("jobs")).status == 303


async def test_a_form_without_its_sessions_token_does_nothing(api, owner, visitor):
    job_id = await api.accepted(job_body())
    other = (await (await visitor("other")).get("settings")).token
    for token in (None, "", "0" * 32, other):
        answer = await owner.post(f"jobs/{job_id}", do="pause", token=token)
        assert answer.status == 403
        assert "open the page again" in answer.plain
    assert (await api.job(job_id)).job.state.label == "queued"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.test"},
        {"Origin": "http://[::1"},
    ],
)
async def test_a_form_of_another_site_does_nothing(api, owner, headers):
    job_id = await api.accepted(job_body())
    answer = await owner.post(f"jobs/{job_id}", headers, do="break")
    assert answer.status == 403
    assert (await api.job(job_id)).job.state.label == "queued"


async def test_who_only_looks_changes_nothing(api, visitor):
    job_id = await api.accepted(job_body())
    watcher = await visitor("demo-client", read_only="on")
    page = await watcher.get(f"jobs/{job_id}")
    assert page.status == 200
    assert 'value="pause"' not in page.text
    for path, fields in (
        (f"jobs/{job_id}", {"do": "break"}),
        ("settings", {"name": "max_jobs", "setting": "0"}),
        ("schedules", {"schedule": "clear_old_jobs", "do": "off"}),
        ("workflows/drmswitch", {"p.content_id": "c", "p.folder": "f"}),
    ):
        answer = await watcher.post(path, token=page.token, **fields)
        assert (answer.status, "read only" in answer.plain) == (403, True), path
    assert (await api.job(job_id)).job.state.label == "queued"
    assert (await watcher.post("sign-out", token=page.token)).status == 303


async def test_a_client_that_is_read_only_changes_nothing_anywhere(api, visitor):
    """By pages and by the REST API."""
    await api.store.put_client(Client("eyes", hash_key(KEY), True, {"read_only": True}))
    job_id = await api.accepted(job_body())
    eyes = await visitor("eyes")
    page = await eyes.get(f"jobs/{job_id}")
    assert "admin, read only" in page.plain
    assert (await eyes.post(f"jobs/{job_id}", token=page.token, do="break")).status == 403
    answer = await api.post("/job", job_body(), client="eyes")
    assert answer.status_code == 403
    assert (await answer.get_json())["error"] == "client eyes may only read"
    assert (await api.get("/health", client="eyes")).status_code == 200


async def test_the_key_is_in_no_log(stranger, caplog):
    caplog.set_level(logging.DEBUG)
    await stranger.sign_in("root", "a-wrong-key-0815")
    await stranger.sign_in()
    assert "'root' signs in" in caplog.text
    assert KEY not in caplog.text
    assert "a-wrong-key-0815" not in caplog.text


async def test_pages_run_nothing_from_elsewhere(admin):
    for path in PAGES:
        answer = await admin.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "http://" not in answer.text.replace("http://www.w3.org", "")
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text


async def test_files_of_the_pages_are_kept_by_browsers_as_long_as_they_are_the_same(stranger):
    form = await stranger.get("sign-in")

    for path in re.findall(r'(?:src|href)="(static/[^"#]+)', form.text):
        answer = await stranger.get(path)
        assert (answer.status, "immutable" in answer.headers["Cache-Control"]) == (200, True), path
        assert (await stranger.get(path.partition("?")[0])).headers["Cache-Control"] == "no-cache"
    assert (await stranger.get("static/nothing.js")).status == 404
    assert (await stranger.get("static/..%2fapp.py")).status == 404


async def test_a_cookie_with_a_name_that_nobody_can_have_is_none(stranger):
    for name in ("\0", "\ud800"):
        stranger.cookies[COOKIE] = f"{Ticket(name, 2**40, False, 'nonce').text}.signature"
        assert (await stranger.get("jobs")).status == 303
