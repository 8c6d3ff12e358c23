"""Jobs whose actions raise, return and leave behind whatever there is, on two real instances."""

import trio

from tests.e2e.poisonous import KINDS, install
from tests.support.engines import taskengine
from tests.support.serving import ended_job, post_job, serving

SOON = 4.0  # seconds in which other jobs end: a fraction of one, where a machine is not busy


async def test_each_is_one_failed_job_and_both_engines_live(tmp_path, monkeypatch):
    path, workflows = install(tmp_path)
    monkeypatch.setenv("PYTHONPATH", path)
    given = {"redis_url": "none", "workflows": workflows, "requests_per_second": 0}
    async with (
        serving(tmp_path / "data", name="one", **given) as (one, first),
        serving(tmp_path / "data", name="two", **given) as (two, second),
    ):
        jobs = {}
        for place, kind in enumerate(KINDS):
            jobs[kind] = await post_job((first, second)[place % 2], "poison", kind=kind)
            if place % 10 == 0:
                await ended_job(second, await post_job(first, "noop"), SOON)
        for kind, job_id in jobs.items():
            job = await ended_job(first, job_id)
            [task] = job["tasks"]
            ended = (job["queue_state"], job["failed"], task["state"], task["attempt"])
            assert ended == ("completed", True, "failed", 1), (kind, task)
            assert task["error"]
        with trio.fail_after(60):
            await ended_job(first, await post_job(second, "noop"), SOON)
        assert (one.poll(), two.poll()) == (None, None)
    for log in (tmp_path / "one.log", tmp_path / "two.log"):
        assert "Traceback" not in log.read_text()


def test_a_plug_in_that_ends_the_program_is_named(tmp_path, monkeypatch):
    """Not even this, at its import, is silent."""
    path, _ = install(tmp_path)
    module = tmp_path / "broken"
    module.mkdir()
    entry = "[taskengine.actions]\nbroken = broken_plugin\n"
    (tmp_path / "site" / "poisonous-1.dist-info" / "entry_points.txt").write_text(entry)
    (module / "broken_plugin.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.setenv("PYTHONPATH", f"{path}:{module}")
    told = taskengine("serve", data_dir=tmp_path / "data", bind="127.0.0.1:0")
    assert told.returncode == 2
    assert told.stderr.splitlines() == [
        "Error: the plug-in broken (broken_plugin) cannot be used: SystemExit: 0"
    ]
