"""Files of results: to whom they are shown, in parts, and never from elsewhere."""

import json

import pytest

from taskengine.api_keys import hash_key
from taskengine.configuration import Configuration
from taskengine.model import Client, Ended, Outcome
from taskengine.testing.contract.world import submission
from taskengine.ui import add_pages
from taskengine.workflows.workflow import Workflow
from tests.api.conftest import KEY

CONTENT = bytes(range(256)) * 40
MAKER = {
    "workflow": "maker",
    "tasks": [{"name": "make", "action": "core.noop"}],
    "callback": {"files": "{{ tasks.make.files }}", "metadata": "{{ tasks.make.metadata }}"},
}


@pytest.fixture
async def made(api, visitor, world, now, tmp_path):
    """Makes a job whose result names files; gives a visit of its page, and its id."""
    output = tmp_path / "output"
    (output / "film").mkdir(parents=True)
    (output / "film" / "a.mp4").write_bytes(CONTENT)
    (output / "film" / "page.html").write_text("<script>alert(1)</script>")
    (tmp_path / "secret.txt").write_text("not for anybody")
    (output / "film" / "link.mp4").symlink_to(tmp_path / "secret.txt")
    configuration = Configuration(data_dir=tmp_path)
    known = api.with_(configuration=configuration)
    add_pages(known.app, known.services)

    async def made(*paths, client="demo-client", **metadata):
        plan = Workflow.from_content(MAKER).definition
        [job_id] = await api.store.submit([submission(plan, client=client)], now)
        await world.admit(now)
        await api.store.offer(world.instance, "work", ["core.noop"])
        [attempt] = await world.claim(1, now)
        result = json.dumps({"files": [str(path) for path in paths], "metadata": metadata})
        end = Ended(attempt.fence, now, Outcome.COMPLETED, result=result)
        await api.store.record(world.instance, [end], now)
        one = await visitor(client)
        one.app = known.app
        return one, job_id

    made.output = output
    return made


async def test_a_result_shows_its_files_and_plays(made):
    owner, job_id = await made(
        made.output / "film" / "a.mp4",
        duration=12.5,
        gaps=[{"from": "10:00", "to": "10:01"}],
        quality={"frames": 300, "lost": 2},
    )
    page = await owner.get(f"jobs/{job_id}")
    assert f'src="../jobs/{job_id}/files/a.mp4"' in page.text
    assert "10.2 kB" in page.plain
    assert "10:00 – 10:01" in page.plain
    assert "12 s" in page.plain
    assert '"lost": 2' in page.plain


async def test_a_file_is_sent_whole_and_in_parts(made):
    owner, job_id = await made(made.output / "film" / "a.mp4")
    whole = await owner.get(f"jobs/{job_id}/files/a.mp4")
    assert (whole.status, whole.raw) == (200, CONTENT)
    assert whole.headers["Content-Type"] == "video/mp4"
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert "sandbox" in whole.headers["Content-Security-Policy"]
    for asked, start, end in (
        ("100-199", 100, 200),
        ("10000-", 10_000, 10_240),
        ("-40", 10_200, 10_240),
    ):
        part = await owner.get(f"jobs/{job_id}/files/a.mp4", Range=f"bytes={asked}")
        assert (part.status, part.raw) == (206, CONTENT[start:end])
        assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/10240"
    beyond = await owner.get(f"jobs/{job_id}/files/a.mp4", Range="bytes=20000-")
    assert beyond.status == 416


async def test_a_file_that_a_browser_might_run_is_saved(made):
    owner, job_id = await made(made.output / "film" / "page.html")
    answer = await owner.get(f"jobs/{job_id}/files/page.html")
    assert answer.headers["Content-Disposition"] == "attachment"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name", ["secret.txt", "../secret.txt", "..%2f..%2fsecret.txt", "b.mp4", "film/a.mp4", "%00"]
)
async def test_only_files_that_the_result_names_are_sent(made, name):
    owner, job_id = await made(made.output / "film" / "a.mp4")
    answer = await owner.get(f"jobs/{job_id}/files/{name}")
    assert answer.status == 404
    assert "not for anybody" not in answer.text


async def test_files_outside_of_the_clients_folders_are_not_sent(made, tmp_path):
    """Whatever a result says."""
    outside = (
        tmp_path / "secret.txt",
        made.output / "film" / ".." / ".." / "secret.txt",
        "/etc/passwd",
    )
    for path in (*outside, made.output / "film" / "link.mp4"):
        owner, job_id = await made(path)
        name = str(path).rpartition("/")[2]
        page = await owner.get(f"jobs/{job_id}")
        assert f"files/{name}" not in page.text
        answer = await owner.get(f"jobs/{job_id}/files/{name}")
        assert answer.status in (400, 404), path
        assert "not for anybody" not in answer.text


async def test_a_folder_that_belongs_to_another_client_is_not_opened(api, made):
    foreign = {"roots": {"output_root": str(made.output / "film")}}
    await api.store.put_client(Client("other", hash_key(KEY), options=foreign))
    owner, job_id = await made(made.output / "film" / "a.mp4")
    assert (await owner.get(f"jobs/{job_id}/files/a.mp4")).status == 400
    theirs, job_id = await made(made.output / "film" / "a.mp4", client="other")
    assert (await theirs.get(f"jobs/{job_id}/files/a.mp4")).status == 200


async def test_a_link_to_the_files_of_another_client_is_not_followed(api, made):
    own = made.output / "other"
    own.mkdir()
    (own / "link").symlink_to("../film")
    (own / "b.mp4").symlink_to("../film/a.mp4")
    options = {"roots": {"output_root": str(own)}}
    await api.store.put_client(Client("other", hash_key(KEY), options=options))
    for path in (own / "link" / "a.mp4", own / "b.mp4"):
        theirs, job_id = await made(path, client="other")
        assert (await theirs.get(f"jobs/{job_id}/files/{path.name}")).status in (400, 404)


async def test_a_file_that_is_gone_is_told(made):
    owner, job_id = await made(made.output / "film" / "b.mp4")
    page = await owner.get(f"jobs/{job_id}")
    assert "b.mp4" in page.plain
    assert "files/b.mp4" not in page.text
    assert (await owner.get(f"jobs/{job_id}/files/b.mp4")).status == 404
