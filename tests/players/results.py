"""Results of a real engine: a film packaged, a stretch of it captured, without DRM and with it; a
remix of both that is live besides; and an asset out of an archive."""

from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import trio

from taskengine.capture.moments import told
from taskengine.media.keys import AssetKeys, FileKeyStore, asset_name
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from tests.players.film import (
    HEIGHTS,
    LANGUAGES,
    RATE,
    SECONDS,
    make_film,
    make_odd_film,
    make_stream,
)
from tests.support.serving import ended_job, lines_of, post_job, serving

START, END = 1.52, 8.52  # seconds of the film that are captured
PARTED = 5.52  # where the remix goes over from one asset to the other
JOB_SECONDS = 240  # for what would hang
CLOCK = "00:00:{:05.2f}"


@dataclass(frozen=True)
class Result:
    """The URLs of its manifests, and for how long it shows what: pairs of a time and of the number
    of the picture that begins there, from which on they are counted."""

    hls: str
    dash: str
    folder: Path
    shown: Sequence[tuple[float, int]]
    seconds: float
    keys: AssetKeys | None = None
    languages: tuple[str, ...] = ("de", "en")  # as files of sources are named, one after another
    texts: tuple[str, ...] = LANGUAGES
    heights: tuple[int, ...] = HEIGHTS

    def picture(self, time):
        """The number of the one of a time."""
        at, number = max(one for one in self.shown if one[0] <= time)
        return number + round((time - at) * RATE)

    def file(self, kind):
        """Where the site has one of its manifests from."""
        return self.folder / unquote(getattr(self, kind).rpartition("/")[2])


@asynccontextmanager
async def made_results(data, site, keys):
    """Below `data/output`, which `site` serves as `/assets`; fills in the AES-128 `keys` by id. The
    live stream goes on for the length of the block."""
    make_film(data / "input/film")
    make_odd_film(data / "input/odd")
    output = data / "output"
    async with serving(data) as (_, client):

        async def run(workflow, folder, **parameters):
            given = {"content_id": folder, "output_folder": folder, **parameters}
            job_id = await post_job(client, workflow, **given)
            job = await ended_job(client, job_id, JOB_SECONDS)
            assert job["failed"] is False, await lines_of(client, job_id)

        await run("vodstream", "film", source_folder="film")
        await run("vodstream", "odd", source_folder="odd")
        clip = _clip(output / "film", site, START, END)
        await run("vodcapture", "clip", clips=[clip])
        await run("vodcapture", "locked", clips=[clip], drm=["widevine", "fairplay", "aes"])
        began = await trio.to_thread.run_sync(make_stream, output / "stream", data / "input/film")
        source = f"{site}/assets/stream/master.m3u8"
        await run("archive", "stream", capture_id="stream", source=source, start=_utc(began))
        ranges = [
            {"capture_id": "stream", "start": _utc(began + start), "end": _utc(began + start + 4)}
            for start in (4, 0)
        ]
        await run("vodnpvr", "npvr", clips=ranges)
        live = await post_job(client, "vodremix", **_remix(output, site))
        [master] = await _live(client, live, output / "remix")
        yield {**await _results(data, site, keys), "live": _live_result(site, master)}
        await client.put(f"/jobs/{live}", json={"queue_state": "broken"})


async def _results(data, site, keys):
    output = data / "output"
    kept = await FileKeyStore(data / "keys").load(
        asset_name(Folder(LocalStorage([output]), str(output), "locked"), "locked")
    )
    keys[kept.key_id] = bytes.fromhex(kept.aes)
    captured = [(0, round(START * RATE))], END - START
    odd = _urls(output / "odd", site)
    npvr = [(0, 4 * RATE), (4, 0)], 8.0, None, LANGUAGES, ()
    return {
        "film": Result(*_urls(output / "film", site), [(0, 0)], SECONDS),
        "odd": Result(*odd, [(0, 0)], SECONDS, None, ("en",), ("en",), HEIGHTS[:1]),
        "clip": Result(*_urls(output / "clip", site), *captured),
        "locked": Result(*_urls(output / "locked", site), *captured, kept),
        "aes": Result(*_urls(output / "locked", site, "_aes"), *captured),
        "remix": Result(*_urls(output / "remix", site), *captured),
        "npvr": Result(*_urls(output / "npvr", site), *npvr),
    }


def _remix(output, site):
    """What is like the capture, of two assets, with a break in the first of them."""
    event = {"presentation_time": "00:00:01", "duration": "00:00:01"}
    first = _clip(output / "film", site, START, PARTED)
    second = _clip(output / "clip", site, PARTED - START, END - START)
    clips = [{**first, "markers": {"meta_events": [event]}}, second]
    return {
        "content_id": "remix",
        "output_folder": "remix",
        "clips": [{**one, "frame_accurate": True} for one in clips],
        "live_compose": True,
    }


def _clip(folder, site, start, end):
    url, *_ = _urls(folder, site)
    return {"source": url, "start": CLOCK.format(start), "end": CLOCK.format(end)}


async def _live(client, job_id, folder):
    """The multivariant playlist of a live stream, once it can be played."""
    with trio.fail_after(JOB_SECONDS):
        while not list(folder.glob("*_v1_live.m3u8")):
            job = (await client.get(f"/jobs/{job_id}")).json()
            assert job["queue_state"] != "completed", await lines_of(client, job_id)
            await trio.sleep(0.05)
    return folder.glob("*_nodrm_*_live.m3u8")


def _live_result(site, master):
    """A loop of the remix."""
    url = f"{site}/assets/remix/{quote(master.name)}"
    return Result(url, "", master.parent, [(0, round(START * RATE))], END - START)


def _utc(at):
    return told(at, has_clock=True)


def _urls(folder, site, suffix=""):
    """Of the active HLS and DASH manifest, and their folder; the names have a GUID in them."""
    made = [path.name for path in sorted(folder.glob(f"{folder.name}_*drm_*"))]
    wanted = [name for name in made if ("_aes." in name) == bool(suffix) and "_live." not in name]
    _, hls, dash = wanted  # after the server manifest
    return *(f"{site}/assets/{folder.name}/{quote(name)}" for name in (hls, dash)), folder
