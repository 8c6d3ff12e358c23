"""The README, pasted block by block into two terminals; and the workflows of the documentation."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest
import trio

from taskengine.actions import find_actions
from taskengine.media.sample import make_film
from taskengine.runtime.process import run_process
from taskengine.workflows.library import load, read
from tests.support.engines import environment, processes_of, until
from tests.support.terminals import Terminal, blocks, engine, free_port

HERE = Path(__file__).resolve().parents[2]
OF_A_CHECKOUT = ("Makefile", "config", "hypercorn.toml", "pyproject.toml", "requirements.lock")
HAVE_TESTS = "make demo"  # the block of the demonstration and of this suite


@pytest.fixture
def checkout(tmp_path):
    """A folder as `git clone` and `make demo` leave it, but for a shorter film; its path has a
    blank."""
    folder = tmp_path / "task engine"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv/bin").symlink_to(Path(sys.executable).parent)
    for name in OF_A_CHECKOUT:
        (folder / name).symlink_to(HERE / name)
    (folder / ".venv/ready").touch()
    film = folder / "var/demo/input/sample/sample.mp4"
    film.parent.mkdir(parents=True)
    trio.run(make_film, partial(run_process, cwd=folder), film, 2)
    return folder


def test_the_readme_runs_as_pasted(checkout):
    api, receiver = free_port(), free_port()
    serving = environment(bind=f"127.0.0.1:{api}")
    terminal = Terminal(checkout, environment(url=f"http://127.0.0.1:{api}"))
    told = []
    with closing(terminal), ExitStack() as running:
        for language, text in blocks(HERE / "README.md"):
            if language != "sh" or HAVE_TESTS in text:
                continue
            pasted = text.replace("8080", api).replace("9000", receiver)
            if "make serve" in pasted:
                running.close()
                running.enter_context(engine(pasted, checkout, serving))
            else:
                told.append(terminal.paste(pasted))
    first, watched, media, checked, greeted, action = told
    assert '{"id": "1", "result": "accepted"}' in first.replace('":"', '": "').replace(",", ", ")
    assert watched.endswith("completed\n\n")
    assert "film-1.mpd" in media
    assert '"status":"completed"' in media
    assert "1 workflow, no problem" in checked
    assert "completed" in greeted
    assert "Say hello in the job's log." in action
    until(lambda: not processes_of(checkout / "var"))


def test_other_blocks_of_the_readme_are_pictures():
    """Whatever can be pasted is a shell's: what else stands there would not be tried."""
    assert {language for language, _ in blocks(HERE / "README.md")} == {"", "sh"}


def test_the_workflows_of_the_documentation_are_sound(tmp_path):
    actions = find_actions()
    for page in ("workflow-files.md", "api.md"):
        for number, (language, text) in enumerate(blocks(HERE / "docs" / page)):
            if language == "yaml" and text.startswith("workflow:"):
                file = tmp_path / "common" / f"{page}-{number}.yaml"
                file.parent.mkdir(exist_ok=True)
                file.write_text(text)
                read(file, actions)
    assert len(load([tmp_path], actions).all()) == 4
