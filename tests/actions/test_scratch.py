"""Scratch folders of instances that live, die and start at the same moment."""

import fcntl
import subprocess
import sys
import threading
import uuid

import pytest

from taskengine.actions import scratch
from taskengine.actions.scratch import AttemptScratch, remove_tree, scratch_of_instance
from taskengine.model import Fence

OWN = uuid.UUID(int=1)
HOLDER = """
import sys, time
from pathlib import Path
import uuid
from taskengine.actions.scratch import scratch_of_instance
with scratch_of_instance(Path(sys.argv[1]), uuid.UUID(int=7)) as own:
    (own.folder / "half").write_text("x" * 1000)
    print(own.folder, flush=True)
    time.sleep(300)
"""


@pytest.fixture
def holder(tmp_path):
    """An instance in a process of its own."""
    command = [sys.executable, "-c", HOLDER, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        folder = tmp_path / process.stdout.readline().strip()
        yield process, folder
        process.kill()


def test_the_folder_of_a_living_instance_stays_and_that_of_a_killed_one_goes(tmp_path, holder):
    process, folder = holder
    with scratch_of_instance(tmp_path, OWN) as own:
        assert (folder / "half").exists()
        assert own.died == []
    process.kill()
    process.wait()
    with scratch_of_instance(tmp_path, OWN) as own:
        assert list(tmp_path.iterdir()) == [own.folder]
        assert own.died == [uuid.UUID(int=7)]


def test_what_the_lock_of_another_kernel_says_is_not_believed(tmp_path, holder, monkeypatch):
    """The folder may be on a network, and its owner live on another host; or the host was started
    anew, and nobody knows who wrote it."""
    process, _ = holder
    process.kill()
    process.wait()
    monkeypatch.setattr(scratch, "kernel", lambda: "another")
    with scratch_of_instance(tmp_path, OWN) as own:
        assert own.died == []


def test_a_starting_instance_is_not_taken_for_a_dead_one(tmp_path, monkeypatch):
    """A peer that starts between the making of the folder and its lock removes it."""
    flock, peers = fcntl.flock, []

    def interrupted(lock, mode):
        if not peers:
            peers.append(None)
            scratch._remove_orphans(tmp_path)
        flock(lock, mode)

    monkeypatch.setattr(scratch.fcntl, "flock", interrupted)
    with scratch_of_instance(tmp_path, OWN) as own:
        assert (own.folder / "lock").exists()


def test_instances_that_start_together_leave_each_other_alone(tmp_path):
    ready, kept = threading.Barrier(8), []

    def start():
        ready.wait()
        with scratch_of_instance(tmp_path, OWN) as own:
            (own.folder / "file").write_text("x")
            ready.wait()
            kept.append((own.folder / "file").exists())
            ready.wait()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept == [True] * 8
    assert list(tmp_path.iterdir()) == []


def test_what_a_start_that_was_killed_left_goes(tmp_path):
    (tmp_path / "1-empty").mkdir()
    (tmp_path / "2-unlocked").mkdir()
    (tmp_path / "2-unlocked/lock").touch()
    (tmp_path / "3-nonsense").mkdir()
    (tmp_path / "3-nonsense/lock").write_text(f"{scratch.kernel()} nobody")
    with scratch_of_instance(tmp_path, OWN) as own:
        assert list(tmp_path.iterdir()) == [own.folder]
        assert own.died == []


async def test_a_folder_is_removed_whatever_rights_its_content_has(tmp_path):
    async with AttemptScratch.of(tmp_path, Fence(1, 2, 3)) as make_scratch:
        folder = make_scratch()
        (folder / "closed/inner").mkdir(parents=True)
        (folder / "closed/inner/file").write_text("x")
        (folder / "closed/inner").chmod(0o500)
        (folder / "closed").chmod(0)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_removed_is_told(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(scratch.shutil, "rmtree", lambda folder, ignore_errors: None)
    (tmp_path / "stuck").mkdir()
    remove_tree(tmp_path / "stuck")
    assert "stuck cannot be removed" in caplog.text


async def test_a_folder_that_nobody_asks_for_is_never_made(tmp_path):
    async with AttemptScratch.of(tmp_path, Fence(1, 2, 3)) as make_scratch:
        assert list(tmp_path.iterdir()) == []
        assert make_scratch() == make_scratch()
        assert list(tmp_path.iterdir()) == [make_scratch()]
    assert list(tmp_path.iterdir()) == []


async def test_each_attempt_has_a_folder_of_its_own(tmp_path):
    """The processes of a stopped one go on writing to theirs (rule 6)."""
    async with AttemptScratch.of(tmp_path, Fence(1, 2, 1)) as make_old:
        old = make_old()
        (old / "half").write_text("x")
        async with AttemptScratch.of(tmp_path, Fence(1, 2, 2)) as make_new:
            assert list(make_new().iterdir()) == []
        assert (old / "half").exists()
