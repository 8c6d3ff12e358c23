"""Workspaces of jobs that have ended, on a real file system: so on the real clock."""

from datetime import timedelta

import pytest
import trio

from taskengine.actors.workspace_cleaner import WorkspaceCleaner
from taskengine.messages import Wake
from taskengine.runtime.mailbox import Mailbox
from taskengine.storage import Folder
from taskengine.storage.local import TEMPORARY, LocalStorage
from taskengine.testing.times import NOON


class Unfinished:
    """A store that knows some unfinished jobs."""

    def __init__(self, *jobs):
        self.jobs = frozenset(jobs)

    async def settings(self, scope):
        await trio.lowlevel.checkpoint()
        return {}

    async def workspaces_in_use(self, job_ids, ended_after):
        await trio.lowlevel.checkpoint()
        assert ended_after == NOON - timedelta(hours=24, minutes=1)
        return self.jobs & frozenset(job_ids)


@pytest.fixture
def clean(tmp_path):
    async def run(store):
        with Mailbox[Wake](1) as mailbox:
            mailbox.address.close()
            workspaces = Folder(LocalStorage([tmp_path]), str(tmp_path), "")
            await WorkspaceCleaner(store, workspaces, lambda: NOON).run(mailbox)

    return run


async def test_the_workspaces_of_ended_jobs_go_and_those_of_others_stay(tmp_path, clean):
    for job_id in (1, 2):
        (tmp_path / f"{job_id}/inspect-1").mkdir(parents=True)
        (tmp_path / f"{job_id}/inspect-1/file").write_text("x")
    await clean(Unfinished(2))
    assert [path.name for path in tmp_path.iterdir()] == ["2"]


async def test_what_killed_attempts_left_goes_too(tmp_path, clean):
    (tmp_path / "1/package-1").mkdir(parents=True)  # all its files were published
    (tmp_path / "2/package-1").mkdir(parents=True)
    (tmp_path / f"2/package-1/{TEMPORARY}1").write_text("half")
    await clean(Unfinished())
    assert list(tmp_path.iterdir()) == []
