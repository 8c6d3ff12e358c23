"""examples/README.md, pasted block by block into two terminals."""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.engines import environment
from tests.support.terminals import Terminal, blocks, engine, free_port

HERE = Path(__file__).resolve().parents[2]
OF_A_CHECKOUT = ("Makefile", "config", "hypercorn.toml", "pyproject.toml", "requirements.lock")


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (tmp_path / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    for name in OF_A_CHECKOUT:
        (tmp_path / name).symlink_to(HERE / name)
    (tmp_path / ".venv/ready").touch()
    shutil.copytree(HERE / "examples", tmp_path / "examples")
    return tmp_path


def test_the_examples_run_as_pasted(checkout):
    api, receiver = free_port(), free_port()
    variables = environment()
    told = []
    with closing(Terminal(checkout, variables)) as terminal, ExitStack() as running:
        for language, text in blocks(checkout / "examples/README.md"):
            assert language == "sh"
            pasted = text.replace("8080", api).replace("9000", receiver)
            if "make serve" in pasted:
                served = f"TASKENGINE_BIND=127.0.0.1:{api} TASKENGINE_REDIS_URL=none \\\n{pasted}"
                running.enter_context(engine(served, checkout, variables))
            else:
                told.append(terminal.paste(pasted))
    checked, _, ran = told
    assert "3 passed" in checked
    assert "1 workflow, no problem" in checked
    assert "Good day, Zoë\n" in ran
    assert "'message': 'Good day, Zoë'" in ran  # of a callback whose signature was verified
    assert '"queue_state":"completed"' in ran.replace(": ", ":")  # by curl
    assert "\n401\n" in ran
    assert "forged" not in ran


def test_the_page_on_testing_shows_what_the_package_is_tested_with():
    shown = [text for language, text in blocks(HERE / "docs/testing.md") if language == "python"]
    tests = (HERE / "examples/package/test_greeting.py").read_text("utf-8")
    for text in shown[:2]:
        assert text[text.index("async def") :] in tests
