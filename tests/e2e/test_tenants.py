"""Two clients of one engine, as they are made by default: neither reaches the other's files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from stat import S_IMODE

import httpx
import pytest

from tests.support.engines import taskengine
from tests.support.serving import KEY, ended_job, lines_of, serving

LISTING = """
workflow: list_folder
parameters:
  type: object
  required: [folder]
  properties:
    folder: {type: string}
    input_root: {type: string, default: input_root}
tasks:
  - name: files
    action: storage.list
    with: {storage: local, folder: "{{ folder }}", root: "{{ input_root }}"}
"""


@pytest.fixture
def data(tmp_path):
    """What belongs to acme: a source, and an asset; what belongs to other: the same below."""
    for place in (
        "var/input/film",
        "var/output/film",
        "var/input/other/own",
        "var/output/other/own",
    ):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "film.mp4").write_text(place)
    for kind in ("input", "output"):  # other's own folders, with a link to acme's
        (tmp_path / "var" / kind / "other" / "link").symlink_to("..")
    (tmp_path / "flows" / "common").mkdir(parents=True)
    (tmp_path / "flows" / "common" / "list_folder.yaml").write_text(LISTING)
    return tmp_path / "var"


def attempts(source, asset):
    """Ways to reach files: each is a workflow and its parameters."""
    film = {"content_id": "film", "source_folder": source}
    return [
        ("list_folder", {"folder": source}),
        ("list_folder", {"folder": asset, "input_root": "output_root"}),
        ("list_folder", {"folder": f"/{asset}/", "input_root": "output_root"}),
        ("list_folder", {"folder": f"./{asset.swapcase()}", "input_root": "output_root"}),
        ("drmswitch", {"content_id": "film", "folder": asset}),
        ("drmswitch", {"content_id": "film", "folder": asset, "output_root": "input_root"}),
        ("vodstream", {**film, "output_folder": "mine"}),
        ("vodstream", {**film, "output_folder": "mine", "delete_source": True}),
        ("vodstream", {**film, "source_folder": asset, "input_root": "output_root"}),
    ]


async def outcome(http, client, key, workflow, parameters):
    body = {"client": client, "job": {"workflow": workflow}, "parameters": parameters}
    headers = {"client": client, "api-key": key}
    answer = await http.post("/job", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    number = int(answer.json()["id"])
    job = await ended_job(http, number)
    return job["failed"], json.dumps(await lines_of(http, number))


async def test_no_client_reaches_the_files_of_another(data):
    settings = {"workflows": data.parent / "flows"}
    async with serving(data, **settings) as (_, http):
        added = taskengine("client", "add", "other", data_dir=data)
        assert added.returncode == 0, added.stderr
        assert f"{data}/input/other is not empty" in added.stderr
        key = added.stdout.split()[-1]
        await check_both(http, key)
        with_roots = json.loads(taskengine("client", "list", "--json", data_dir=data).stdout)
        assert [one["options"] for one in with_roots] == [
            {},
            {"roots": {f"{k}_root": f"{data}/{k}/other" for k in ("input", "output")}},
        ]
    assert "work in the same folders" not in (data.parent / "serve.log").read_text()
    for place in ("input/film", "output/film", "input/other/own", "output/other/own"):
        assert [file.name for file in (data / place).iterdir()] == ["film.mp4"]
        assert (data / place / "film.mp4").read_text() == f"var/{place}"
    assert not list(data.glob("output/*/mine/*.mp4"))


async def check_both(http: httpx.AsyncClient, key: str) -> None:
    for workflow, parameters in attempts("film", "film"):
        failed, told = await outcome(http, "other", key, workflow, parameters)
        assert (failed, "no such folder" in told) == (True, True), told
    for workflow, parameters in attempts("link/film", "link/film")[1::3]:
        failed, told = await outcome(http, "other", key, workflow, parameters)
        assert failed, told
        assert "not within the folders" in told or "no such folder" in told
    for workflow, parameters in attempts("other/own", "other/own"):
        failed, told = await outcome(http, "acme", KEY, workflow, parameters)
        assert failed, told
        assert "belongs to another client" in told or "no such folder" in told
    for client, secret, folder in (("acme", KEY, "film"), ("other", key, "own")):
        for root in ("input_root", "output_root"):
            parameters = {"folder": folder, "input_root": root}
            assert not (await outcome(http, client, secret, "list_folder", parameters))[0]


async def test_what_an_engine_makes_is_private_and_its_key_is_in_no_childs_environment(tmp_path):
    data = tmp_path / "var"
    async with serving(data) as (process, http):
        assert (await http.get("/health")).status_code == 200
        folders = [data, *(data / name for name in ("input", "output", "scratch", "workspace"))]
        passable = 0o711 if os.geteuid() == 0 else 0o700
        modes = [S_IMODE(folder.stat().st_mode) for folder in folders]
        assert modes == [passable, 0o700, 0o700, 0o700, 0o700]
        children = [int(pid) for pid in descendants(process.pid)]
        assert len(children) >= 2
        for pid in children:
            assert KEY.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def descendants(pid):
    """The processes below one."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield child
            yield from descendants(child)
