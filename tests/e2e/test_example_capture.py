"""The example of a capture, run as its users run it, on the live stream of the demonstration."""

import re
from pathlib import Path

import httpx
import pytest
import trio
from PIL import Image

from taskengine.demo.live import SEGMENT, running_stream
from taskengine.demo.site import running_site
from taskengine.media.sample import RATE
from tests.capture.film import numbers
from tests.support.serving import KEY, ended_job, lines_of, serving

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 10


@pytest.fixture
async def live(tmp_path):
    folder = tmp_path / "live"
    folder.mkdir()
    async with running_stream(folder) as stream:
        yield stream


async def test_the_examples_capture_the_live_stream(tmp_path, live):
    data = tmp_path / "var"
    async with (
        running_site(live.folder, data / "output") as site,
        serving(data, outbound_allow="127.0.0.0/8") as (_, client),
    ):
        await until_captures_may_begin(live)
        settings = {"URL": client.base_url, "CLIENT": "acme", "API_KEY": KEY}
        for name in ("frame.sh", "capture.sh"):
            job_id = await run_example(name, site.live, settings)
            job = await ended_job(client, job_id)
            assert job["failed"] is False, await lines_of(client, job_id)
        [master] = (data / "output/news/latest").glob("news_nodrm_*.m3u8")
        site.films.append(("A & B", [master, master.with_name("news.mp4")]))
        await check_the_page(site)
    with Image.open(data / "output/news/stills/latest.jpg") as still:
        assert still.format == "JPEG"
    found = numbers(data / "output/news/latest/news.mp4")
    assert found == list(range(found[0], found[0] + SECONDS * RATE))


async def until_captures_may_begin(live):
    """Until the range of the example is in the stream."""
    with trio.fail_after(60):
        while len(live.times()) * SEGMENT < SECONDS:
            await trio.sleep(0.1)


async def run_example(name, source, settings):
    env = {f"TASKENGINE_{name}": str(value) for name, value in settings.items()}
    done = await trio.run_process([EXAMPLES / name, source], env=env, capture_stdout=True)
    return int(re.search(rb'"id": *"?(\d+)', done.stdout)[1])


async def check_the_page(site):
    """All that it names is there, with the types and the ranges that browsers want."""
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as http:
        page = (await http.get("/")).text
        assert "<h2>A &amp; B</h2>" in page
        sources = dict(re.findall(r'<source src="([^"]+)" type="([^"]+)">', page))
        assert [Path(path).suffix for path in sources] == [".m3u8", ".m3u8", ".mp4"]
        for path, kind in sources.items():
            answer = await http.get(path, headers={"Range": "bytes=0-6"})
            assert (answer.status_code, answer.headers["Content-Type"]) == (206, kind)
        for path in ("/live/../serve.log", "/output/..%2f..%2fserve.log", "/live/nothing.m4s"):
            assert (await http.get(path)).status_code == 404
