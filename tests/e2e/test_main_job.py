"""The main job on real parts: a film is packaged, then its DRM is switched, with callbacks."""

import re
from functools import partial

import pytest
import trio

from taskengine.demo.receiver import running_receiver
from taskengine.media.sample import make_film
from taskengine.runtime.process import run_process
from tests.support.engines import processes_of
from tests.support.serving import (
    KEY,
    ended_job,
    lines_of,
    post_job,
    serving,
)

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
COMMON = "No client definitions. Using common definitions."


def switch_on_lines(folder: str, root: str, content_id: str) -> list[tuple[str, str, str]]:
    """The template of 26 lines: progname, task (by its place), pattern of the message."""
    name = re.escape(content_id)
    path = re.escape(folder)
    park = rf"\d{{10}}_{UUID}_{name}"
    new = rf"{name}_drm_{UUID}"
    root_line = re.escape(f"Root key: output_root Root Folder: {root}")
    return [
        ("api", 0, r"\{\"path\":.*"),
        ("worker", 1, re.escape(COMMON)),
        ("worker", 1, "Task 'get_filenames' started"),
        ("worker", 1, root_line),
        ("worker", 1, "'get_filenames' completed successfully"),
        ("worker", 2, re.escape(COMMON)),
        ("worker", 2, "Task 'prepare_switch' started"),
        ("worker", 2, "switching to DRM manifest"),
        ("worker", 2, rf"Activating {path}/{park}\.drm\. New manifest: {new}\.ism"),
        ("worker", 2, "switching to DRM manifest"),
        ("worker", 2, rf"Activating {path}/{park}_aes\.drm\. New manifest: {new}_aes\.ism"),
        (
            "worker",
            2,
            rf"De-activating {path}/{name}_nodrm_{UUID}\.ism\. New name: {park}\.nodrm",
        ),
        ("worker", 2, "'prepare_switch' completed successfully"),
        ("worker", 3, re.escape(COMMON)),
        ("worker", 3, "Task 'rename_manifests' started"),
        ("worker", 3, root_line),
        ("worker", 3, rf"local folder: {path}, Active Manifest {new}\.ism"),
        ("worker", 3, "'rename_manifests' completed successfully"),
        ("controller", 3, "job has completed successfully"),
    ]


async def all_calls(receiver, job_id, number):
    """Wait for that many callbacks of a job, over both URLs; gives the bodies by path."""
    with trio.fail_after(60):
        while True:
            found = {path: receiver.of_job(job_id, path) for path in ("/first", "/second")}
            if sum(map(len, found.values())) >= number:
                return {path: [call.body for call in calls] for path, calls in found.items()}
            await trio.sleep(0.05)


@pytest.fixture
async def film(tmp_path):
    folder = tmp_path / "var" / "input" / "incoming" / "film-1"
    folder.mkdir(parents=True)
    await make_film(partial(run_process, cwd=tmp_path), folder / "film.mp4", 4, height=180)
    return "incoming/film-1"


async def test_package_then_switch_drm_on(tmp_path, film):
    data = tmp_path / "var"
    async with serving(data) as (_, client), running_receiver() as receiver:
        packaged = await post_job(
            client,
            "vodstream",
            content_id="film-1",
            source_folder=film,
            output_folder="films/film-1",
            drm=["clear", "widevine", "aes"],
            enable_drm=False,
            generate_mp4=True,
            rest_endpoints=receiver.urls,
        )
        job = await ended_job(client, packaged)
        assert (job["queue_state"], job["failed"]) == ("completed", False), await lines_of(
            client, packaged
        )
        asset = data / "output" / "films" / "film-1"
        files = {file.name for file in asset.iterdir()}
        assert sum(name.endswith(".ism") for name in files) == 1
        assert {"film-1.mp4", "film-1_thumbnail.jpg"} <= files

        switched = await post_job(
            client,
            "drmswitch",
            content_id="film-1",
            folder="films/film-1",
            rest_endpoints=receiver.urls,
        )
        job = await ended_job(client, switched)
        assert (job["queue_state"], job["failed"]) == ("completed", False)
        calls = await all_calls(receiver, switched, 14)
        await check_the_log(client, switched, str(data / "output"))
        check_the_callbacks(calls, job)

    [manifest] = [file for file in asset.glob("*.ism") if "_aes" not in file.name]
    assert re.fullmatch(rf"film-1_drm_{UUID}\.ism", manifest.name)
    assert calls["/first"][-1]["message"] == str(manifest)
    assert processes_of(tmp_path) == []


async def check_the_log(client, job_id, root):
    with trio.fail_after(60):
        while len(lines := await lines_of(client, job_id)) < 26:
            await trio.sleep(0.05)
    assert len(lines) == 26
    assert KEY not in repr(lines)
    tasks = sorted({line["task_id"] for line in lines} - {0})
    assert tasks == list(range(tasks[0], tasks[0] + 3))
    place = {0: 0, **{task: number for number, task in enumerate(tasks, 1)}}
    work = [line for line in lines if line["progname"] != "callback"]
    wanted = switch_on_lines(f"{root}/films/film-1", root, "film-1")
    for line, (progname, task, pattern) in zip(work, wanted, strict=True):
        assert (line["progname"], place[line["task_id"]]) == (progname, task)
        assert re.fullmatch(pattern, line["message"], re.DOTALL), line["message"]
    told = [line for line in lines if line["progname"] == "callback"]
    assert [line["message"] for line in told] == [COMMON] * 7
    assert sorted(place[line["task_id"]] for line in told) == [1, 1, 2, 2, 3, 3, 3]
    names = [line["progname"] for line in lines]
    assert names[names.index("controller") + 1 :][-2:] == ["callback", "callback"]
    assert all(line["severity_description"] == "INFO" and line["visible"] for line in lines)


def check_the_callbacks(calls, job):
    names = ["get_filenames", "prepare_switch", "rename_manifests"]
    for bodies in calls.values():
        assert [(body.get("task_name"), body.get("event")) for body in bodies[:-1]] == [
            (name, event) for name in names for event in ("start", "complete")
        ]
        end = bodies[-1]
        assert end["status"] == "completed"
        assert end["job_id"] == str(job["id"])
        assert end["client"] == "acme"
        assert isinstance(end["files"], list)


async def test_bad_input_ends_the_job_and_leaves_the_engine_untouched(tmp_path):
    data = tmp_path / "var"
    (data / "input" / "text").mkdir(parents=True)
    (data / "input" / "text" / "film.mp4").write_text("this is no film")
    async with serving(data) as (_, client):
        for body, told in (
            ({"job": {"workflow": "nonsense"}, "parameters": {}}, "nonsense"),
            ({"job": {"workflow": "drmswitch"}, "parameters": {"folder": "x"}}, "content_id"),
        ):
            answer = await client.post("/job", json={"client": "acme", **body})
            assert answer.status_code == 400
            assert told in answer.json()["error"]
            job = (await client.get(f"/jobs/{answer.json()['id']}")).json()
            assert (job["queue_state"], job["failed"]) == ("broken", True)
        unreadable = await client.post(
            "/job", content=b'{"client": "acme",', headers={"content-type": "application/json"}
        )
        assert unreadable.status_code == 400
        assert set(unreadable.json()) == {"error"}
        wrong = await client.post("/job", json={"client": "acme"}, headers={"api-key": "wrong"})
        assert wrong.status_code == 401
        for folder, told in (("absent", "absent"), ("text", "film.mp4")):
            job_id = await post_job(
                client, "vodstream", content_id="c", source_folder=folder, output_folder="o"
            )
            job = await ended_job(client, job_id)
            assert (job["queue_state"], job["failed"]) == ("completed", True)
            lines = await lines_of(client, job_id)
            errors = [line["message"] for line in lines if line["severity"] == 3]
            assert any(told in message for message in errors), errors
        fine = await ended_job(client, await post_job(client, "noop", content_id="c"))
        assert not fine["failed"]
