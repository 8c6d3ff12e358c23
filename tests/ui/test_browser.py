"""Pages as Chromium shows them, at a desk and on a telephone: whole, accessible, alive."""

import json
from dataclasses import dataclass, field

import pytest
import trio

from tests.players.installing import browser, missing
from tests.ui.stage import KEY, standing

LOOK = __file__.replace("test_browser.py", "look.mjs")
SECONDS = 900  # for what would hang; each wait has an end of its own
DESK, PHONE = 1360, 390
PAGES = {
    "now": "",
    "jobs": "jobs",
    "found": "jobs?search=film&state=queued",
    "done": "jobs/2",
    "running": "jobs/7",
    "failed": "jobs/3",
    "many": "jobs/1",
    "log": "jobs/2/log",
    "callbacks": "jobs/3/callbacks",
    "parameters": "jobs/2/parameters",
    "task": "jobs/2/tasks/publish",
    "schedules": "schedules",
    "workflows": "workflows",
    "workflow": "workflows/vodstream",
    "clients": "clients",
    "settings": "settings",
    "operations": "operations",
    "missing": "jobs/4711",
}
NOTICE = {"read": ".notice"}
MORE = {"press": "#head summary"}


def button(name):
    return f'role=button[name="{name}"] >> visible=true'


@dataclass(frozen=True)
class Act:
    """What is done on a page, and the text that is to be seen at last."""

    path: str
    steps: list
    said: str
    client: str = "root"
    width: int = DESK
    more: dict = field(default_factory=dict)


def pressed(name):
    return {"press": button(name), "moved": True}


def by_script(number, do):
    """The action without leaving the page: what is seen next has come by the stream."""
    return {
        "evaluate": f"""() => {{
            const token = document.querySelector("input[name=token]").value;
            window.still = "the same page";
            return fetch("{number}", {{ method: "POST", redirect: "manual",
                body: new URLSearchParams({{ token, do: "{do}" }}) }}).then(() => "sent");
        }}"""
    }


SAME = {"evaluate": "() => window.still ?? 'a page anew'"}
PLAYED = {
    "evaluate": """async () => {
        const video = document.querySelector("video");
        await video.play();
        while (!video.ended) await new Promise((go) => setTimeout(go, 50));
        return `${video.videoWidth}x${video.videoHeight} ${Math.round(video.currentTime)} s`;
    }"""
}
ACTS = {
    "pause in the list": Act(
        "jobs?state=queued",
        [{"press": "#rows .menu summary"}, pressed("Pause"), NOTICE],
        "Job 11 is paused.",
    ),
    "resume on a telephone": Act(
        "jobs/14", [pressed("Resume"), NOTICE], "is resumed.", width=PHONE
    ),
    "to the top": Act(
        "jobs/10", [MORE, pressed("To the top of the queue"), NOTICE], "goes before all others"
    ),
    "priority": Act(
        "jobs/12",
        [MORE, {"fill": "#head input[name=priority]", "value": "3"}, pressed("Set"), NOTICE],
        "has the priority 3",
    ),
    "stop on a telephone": Act(
        "jobs/13", [MORE, pressed("Stop for good"), NOTICE], "is stopped.", width=PHONE
    ),
    "run again": Act("jobs/2", [pressed("Run again"), NOTICE], "Job 2 runs again as job"),
    "go on": Act("jobs/6", [pressed("Go on where it failed"), NOTICE], "Job 6 goes on as job"),
    "send a callback again": Act(
        "jobs/3/callbacks",
        [{"press": "#callbacks tbody button", "moved": True}, NOTICE],
        "is sent again.",
        width=PHONE,
    ),
    "switch a schedule off": Act(
        "schedules", [pressed("Switch off nightly"), NOTICE], "nightly is switched off."
    ),
    "run a schedule now": Act(
        "schedules",
        [pressed("Run now nightly"), NOTICE],
        "The schedule nightly was run: job",
        width=PHONE,
    ),
    "submit by a form": Act(
        "workflows/drmswitch",
        [
            {"fill": "input[name='p.content_id']", "value": "film-1"},
            {"fill": "input[name='p.folder']", "value": "film-1"},
            {"fill": "input[name=client]", "value": "acme"},
            pressed("Submit the job"),
            NOTICE,
        ],
        "is accepted.",
    ),
    "a wrong form": Act(
        "workflows/drmswitch",
        [pressed("Submit the job"), {"read": "#submit .notice"}],
        "content_id: required",
        width=PHONE,
    ),
    "end a pause on a telephone": Act(
        "",
        [pressed("End the pause of workflow trickplay"), NOTICE],
        "The workflow trickplay is paused no more.",
        width=PHONE,
    ),
    "pause a queue": Act(
        "",
        [
            {"press": "#pauses summary"},
            {"evaluate": "() => (document.querySelector('#pauses select').value = 'queue')"},
            {"fill": "#pauses input[name=name]", "value": "work"},
            {"press": "#pauses button[value=on]", "moved": True},
            NOTICE,
        ],
        "The queue work is paused.",
    ),
    "set a limit": Act(
        "settings",
        [
            {"fill": "input[aria-label=retry_limit]", "value": "4"},
            pressed("Set retry_limit"),
            NOTICE,
        ],
        "retry_limit is 4.",
    ),
    "all that match": Act(
        "jobs?search=film-&state=queued",
        [
            {"press": "main .head .menu summary"},
            pressed("Pause"),
            {"wait": "button[value=begin]"},
            {"press": "button[value=begin]", "moved": True},
            {"wait": "#head .badge.done"},
            {"press": "button[value=undo]", "moved": True},
            {"wait": "#head .badge.undone"},
            {"read": "#progress"},
        ],
        "taken back",
    ),
    "search by the keyboard": Act(
        "jobs",
        [
            {"keys": "/"},
            {"evaluate": "() => document.activeElement.id"},
        ],
        "search",
    ),
    "leave a menu by the keyboard": Act(
        "jobs/2",
        [
            MORE,
            {"wait": "#head details[open]"},
            {"keys": "Escape"},
            {"evaluate": "() => document.querySelectorAll('details.menu[open]').length + ' open'"},
        ],
        "0 open",
    ),
    "skip to the content": Act(
        "jobs",
        [
            {"keys": "Tab"},
            {"keys": "Enter"},
            {"evaluate": "() => document.activeElement.id"},
        ],
        "content",
    ),
    "dark by choice": Act(
        "jobs",
        [
            {"press": "#theme"},
            {"evaluate": "() => getComputedStyle(document.body).backgroundColor"},
        ],
        "rgb(17, 20, 24)",
        client="acme",
    ),
    "a job's page is alive": Act(
        "jobs/8",
        [{"wait": "#live.on"}, by_script(8, "pause"), {"wait": "#head .badge.paused"}, SAME],
        "the same page",
    ),
    "a log is alive": Act(
        "jobs/9",
        [{"wait": "#live.on"}, by_script(9, "top"), {"wait": "#lines tr.new"}, SAME],
        "the same page",
        width=PHONE,
    ),
    "now is alive": Act(
        "",
        [
            {"wait": "#live.on"},
            {
                "evaluate": """() => {
                    window.still = "the same page";
                    const token = document.querySelector("input[name=token]").value;
                    return fetch("jobs/11", { method: "POST", redirect: "manual",
                        body: new URLSearchParams({ token, do: "break" }) }).then(() => "sent");
                }"""
            },
            {"gone": "#queued a[href$='jobs/11']"},
            SAME,
        ],
        "the same page",
    ),
    "the film plays": Act("jobs/2", [PLAYED], "320x180 2 s"),
    "signed out": Act(
        "jobs",
        [{"press": ".who summary"}, pressed("Sign out"), NOTICE],
        "You are signed out.",
        client="beta",
    ),
}  # fmt: skip
LOOKS = [(name, width) for name in PAGES for width in (DESK, PHONE)]
DARK = ("now", "done", "workflow")


def items():
    found = [
        {
            "name": f"{name}-{width}",
            "path": PAGES[name],
            "client": "root",
            "width": width,
            "dark": False,
        }
        for name, width in LOOKS
    ]
    found += [
        {"name": f"{name}-dark", "path": PAGES[name], "client": "acme", "width": DESK, "dark": True}
        for name in DARK
    ]
    found += [
        {"name": "read-only", "path": "jobs/2", "client": "eyes", "width": DESK, "dark": False},
        {"name": "sign-in", "path": "sign-in", "client": "", "width": PHONE, "dark": False},
    ]
    found += [
        {"name": name, "path": act.path, "client": act.client, "width": act.width, "dark": False,
         "steps": act.steps, "axe": False}
        for name, act in ACTS.items()
    ]  # fmt: skip
    return found


@pytest.fixture(scope="session")
def seen(tmp_path_factory):
    if lacking := missing():
        pytest.fail(lacking)
    return trio.run(looked, tmp_path_factory.mktemp("ui"))


async def looked(data):
    """What was seen of each page and action, by name."""
    wanted = items()
    async with standing(data / "var", large=True) as (_, url):
        request = {"site": url, "key": KEY, "items": wanted}
        with trio.fail_after(SECONDS):
            done = await trio.run_process(
                ["node", LOOK, browser()], stdin=json.dumps(request).encode(), capture_stdout=True
            )
    found = json.loads(done.stdout)
    return dict(zip([one["name"] for one in wanted], found, strict=True))


STILL = [f"{name}-{width}" for name, width in LOOKS]


@pytest.mark.parametrize("name", [*STILL, *(f"{one}-dark" for one in DARK), "read-only", "sign-in"])
def test_a_page_is_whole_and_accessible(seen, name):
    found = seen[name]
    assert found.get("failure") is None
    assert found["status"] == (404 if name.startswith("missing") else 200)
    complaints = [one for one in found["complaints"] if "404" not in one]
    assert complaints == []  # of the policy, or of a script
    assert found["problems"] == []  # of axe-core
    assert found["wide"] <= 0  # nothing sticks out sideways


@pytest.mark.parametrize("name", ACTS)
def test_an_action_is_done_and_seen(seen, name):
    found = seen[name]
    assert found.get("failure") is None
    assert ACTS[name].said in found["texts"][-1]
    assert [one for one in found["complaints"] if "400" not in one] == []
