"""The demonstration shows what it says, and leaves nothing running."""

import re
import subprocess
from functools import partial

import pytest
import trio

from taskengine.media.sample import make_film
from taskengine.runtime.process import run_process
from tests.capture.film import numbers
from tests.support.engines import TASKENGINE, environment, processes_of, taskengine, until


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "a short film, 100 %d é.mp4"
    trio.run(partial(make_film, partial(run_process, cwd=tmp_path), path, 4, height=180))
    return path


def test_the_demo_completes_and_ends(tmp_path, film):
    """Wherever it is: paths may have any characters."""
    data = tmp_path / 'it\'s, "data" '
    done = taskengine("demo", "--exit", "--film", film, "--data-dir", data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert until(lambda: not processes_of(data))

    said = done.stdout
    lines = ("Job 1: vodstream", "Job 2: drmswitch", "Job 3: vodcapture", "Played without DRM")
    for line in (*lines, "Played what was captured", "Log of job 1"):
        assert f"\n{line}\n" in said
    assert re.search(r"publish +completed", said)
    assert re.search(r"rename_manifests +completed", said)
    assert "BAD" not in said
    for number in (17, 7, 13):
        assert said.count(f", {number} with a valid signature") == 2
    played, _, locked = said.partition("Played with DRM, without the key")
    assert len(re.findall(r"ok  .*_[av][12]\.(?:m3u8|mp4) +4\.0\d s", played)) == 6
    assert locked.count("does not play") == 3
    assert said.endswith("All jobs completed, the results play, all callbacks arrived.\n")

    folder, captured = sorted((data / "demo" / "output").iterdir())
    found = numbers(captured / f"{captured.name}.mp4")
    assert found == list(range(found[0], found[0] + 200))
    assert f"  ok  pictures {found[0]} to {found[-1]}, each once\n" in said
    kinds = {path.suffix for path in folder.iterdir()}
    assert {".ism", ".m3u8", ".mpd", ".mp4", ".jpg", ".vtt", ".json", ".nodrm"} <= kinds


def test_a_film_that_is_none_is_told(tmp_path):
    film = tmp_path / "words.mp4"
    film.write_text("no film")
    done = taskengine("demo", "--exit", "--film", film, "--data-dir", tmp_path / "data")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: --film: words.mp4 is no media file")
    assert not (tmp_path / "data").exists()


def test_a_signal_ends_it_without_a_trace(tmp_path, film):
    data = tmp_path / "data"
    command = [*TASKENGINE, "demo", "--film", str(film), "--data-dir", str(data)]
    with subprocess.Popen(command, env=environment(), stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout.readline().startswith("Task Engine listens on http://127.0.0.1:")
        assert processes_of(data)
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "Error: the demonstration was ended by a signal\n"
    assert until(lambda: not processes_of(data))
