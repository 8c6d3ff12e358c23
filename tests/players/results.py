"""Results of a real engine: a film packaged, a stretch of it captured, without DRM and with it."""

from dataclasses import dataclass
from urllib.parse import quote

from taskengine.media.keys import AssetKeys, FileKeyStore, asset_name
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from tests.players.film import HEIGHTS, LANGUAGES, RATE, SECONDS, make_film, make_odd_film
from tests.support.serving import ended_job, lines_of, post_job, serving

START, END = 1.52, 8.52  # seconds of the film that are captured
JOB_SECONDS = 240  # for what would hang
CLOCK = "00:00:{:05.2f}"


@dataclass(frozen=True)
class Result:
    """The URLs of its manifests, and what they show: from which picture on, for how long."""

    hls: str
    dash: str
    first: int
    seconds: float
    keys: AssetKeys | None = None
    languages: tuple[str, ...] = ("de", "en")  # as files of sources are named, one after another
    texts: tuple[str, ...] = LANGUAGES
    heights: tuple[int, ...] = HEIGHTS


async def make_results(data, site, keys):
    """Below `data/output`, which `site` serves as `/assets`; fills in the AES-128 `keys` by id."""
    make_film(data / "input/film")
    make_odd_film(data / "input/odd")
    async with serving(data) as (_, client):

        async def run(workflow, folder, **parameters):
            given = {"content_id": folder, "output_folder": folder, **parameters}
            job_id = await post_job(client, workflow, **given)
            job = await ended_job(client, job_id, JOB_SECONDS)
            assert job["failed"] is False, await lines_of(client, job_id)

        output = data / "output"
        await run("vodstream", "film", source_folder="film")
        await run("vodstream", "odd", source_folder="odd")
        source = _urls(output / "film", site)
        clip = {"source": source[0], "start": CLOCK.format(START), "end": CLOCK.format(END)}
        await run("vodcapture", "clip", clips=[clip])
        await run("vodcapture", "locked", clips=[clip], drm=["widevine", "fairplay", "aes"])
    kept = await FileKeyStore(data / "keys").load(
        asset_name(Folder(LocalStorage([output]), str(output), "locked"), "locked")
    )
    keys[kept.key_id] = bytes.fromhex(kept.aes)
    odd = _urls(output / "odd", site)
    captured = (round(START * RATE), END - START)
    return {
        "film": Result(*source, 0, SECONDS),
        "odd": Result(*odd, 0, SECONDS, None, ("en",), ("en",), HEIGHTS[:1]),
        "clip": Result(*_urls(output / "clip", site), *captured),
        "locked": Result(*_urls(output / "locked", site), *captured, kept),
        "aes": Result(*_urls(output / "locked", site, "_aes"), *captured),
    }


def _urls(folder, site, suffix=""):
    """Of the active HLS and DASH manifest; the names have a GUID in them."""
    made = [path.name for path in sorted(folder.glob(f"{folder.name}_*drm_*"))]
    wanted = [name for name in made if ("_aes." in name) == bool(suffix)]
    _, hls, dash = wanted  # after the server manifest
    return [f"{site}/assets/{folder.name}/{quote(name)}" for name in (hls, dash)]
