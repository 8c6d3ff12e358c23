"""Child processes under their guard: real ones, so on the real clock."""

import os
import signal
import subprocess
import sys

import pytest
import trio

from taskengine.runtime.guard import GROUP
from taskengine.runtime.process import CommandUnusable, ProcessFailed, open_guarded, run_process
from taskengine.runtime.pulse import Pulse
from tests.support.processes import alive, gone, parent_of

HANG = 60.0  # seconds; only what is wrong takes so long
SLACK = 5.0  # seconds, less than a grace; the machine may do other things too
FORKER = "sleep 300 & echo $!; echo $$; wait"


async def test_output_comes_back(tmp_path):
    assert await run_process(["pwd"], cwd=tmp_path) == f"{tmp_path}\n"


async def test_a_failure_tells_its_code_and_last_words():
    with pytest.raises(ProcessFailed, match="sh ended with code 3: oh no") as caught:
        await run_process(["sh", "-c", "echo oh no >&2; exit 3"])
    assert caught.value.returncode == 3


async def test_a_missing_command_is_a_failure():
    with pytest.raises(ProcessFailed, match="No such file"):
        await run_process(["/no/such/command"])


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["/no/such/command"], "No such file"),
        (["/etc/passwd"], "Permission denied"),
        (["/etc/passwd/x"], "Not a directory"),
        (["echo", "x" * 200_000], "Argument list too long"),
        (["echo", "x\0y"], "embedded null byte"),
        (["echo", "\ud800"], "surrogates not allowed"),
    ],
)
async def test_what_can_never_be_started_is_told_from_what_has_failed(command, told):
    with pytest.raises(CommandUnusable, match=told):
        await run_process(command)


async def test_a_command_may_end_with_the_code_of_a_missing_one():
    with pytest.raises(ProcessFailed, match="ended with code 127") as failure:
        await run_process(["sh", "-c", "no-such-command"])
    assert not isinstance(failure.value, CommandUnusable)


async def test_lines_are_handed_over_as_they_come():
    lines = []

    async def keep(line):
        lines.append(line)

    assert await run_process(["printf", "one\ntwo\nthree"], on_line=keep) == ""
    assert lines == ["one", "two", "three"]


async def test_a_flood_of_output_is_bounded():
    with pytest.raises(ProcessFailed) as caught:
        await run_process(["sh", "-c", "head -c 3000000 /dev/zero >&2; exit 1"])
    assert len(caught.value.stderr_tail) <= 4_000


async def test_a_cancelled_caller_takes_the_whole_group_along(monkeypatch):
    monkeypatch.setattr("taskengine.runtime.process.GUARD_GRACE", 3600)
    pids = []

    async def keep(line):
        pids.append(int(line))
        if len(pids) == 2:
            scope.cancel()

    with trio.fail_after(HANG), trio.CancelScope() as scope:
        await run_process(["sh", "-c", FORKER], on_line=keep)
    assert len(pids) == 2
    assert not any(map(alive, pids))


async def test_grandchildren_do_not_outlive_the_child():
    pids = []

    async def keep(line):
        pids.append(int(line))

    await run_process(["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"], on_line=keep)
    assert not any(map(alive, pids))


OWNER = """
import sys, trio
from taskengine.runtime.process import run_process
async def tell(line): print(line, flush=True)
async def main(): await run_process(["sh", "-c", sys.argv[1]], on_line=tell)
trio.run(main)
"""


async def test_nothing_outlives_a_killed_engine():
    engine = subprocess.Popen(
        [sys.executable, "-c", OWNER, FORKER], stdout=subprocess.PIPE, text=True
    )
    with engine, engine.stdout:
        pids = [int(engine.stdout.readline()) for _ in range(2)]
        os.kill(engine.pid, signal.SIGKILL)
        engine.wait()
        await gone(*pids, within=SLACK)


async def test_a_child_that_ignores_sigterm_is_killed(monkeypatch):
    monkeypatch.setattr("taskengine.runtime.process.GUARD_GRACE", 0.3)
    pids = []

    async def keep(line):
        pids.append(int(line))
        scope.cancel()

    with trio.fail_after(HANG), trio.CancelScope() as scope:
        await run_process(
            ["sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.1; done"], on_line=keep
        )
    assert not any(map(alive, pids))


LEAVER = "setsid sh -c 'trap \"\" TERM; echo $$; exec >/dev/null 2>&1; sleep 300 & wait'"
LEFT_BEHIND = f"echo $({LEAVER} &)"  # a child that ends once its grandchild has left


async def test_a_grandchild_that_leaves_the_session_is_stopped_with_its_caller(monkeypatch):
    monkeypatch.setattr("taskengine.runtime.process.GUARD_GRACE", 3600)
    pids = []

    async def keep(line):
        pids.append(int(line))
        scope.cancel()

    with trio.fail_after(HANG), trio.CancelScope() as scope:
        await run_process(["sh", "-c", f"{LEAVER} & wait"], on_line=keep)
    assert not any(map(alive, pids))


async def test_a_grandchild_that_leaves_the_session_does_not_outlive_the_child():
    pids = []

    async def keep(line):
        pids.append(int(line))

    with trio.fail_after(HANG):
        await run_process(["sh", "-c", LEFT_BEHIND], on_line=keep)
    assert len(pids) == 1
    assert not any(map(alive, pids))


async def test_a_child_does_not_outlive_its_guard():
    pids = []

    async def keep(line):
        pids.append(int(line))
        os.kill(parent_of(int(line)), signal.SIGKILL)

    with trio.fail_after(HANG), pytest.raises(ProcessFailed):
        await run_process(["sh", "-c", "echo $$; exec sleep 300"], on_line=keep)
    await gone(*pids, within=SLACK)


async def test_a_child_may_leave_servers_behind_if_its_guard_reaches_for_the_group_alone():
    pulse = Pulse()
    with trio.fail_after(HANG), pulse.lifeline() as lifeline:
        command = ["sh", "-c", LEFT_BEHIND]
        process = await open_guarded(command, pulse, lifeline, reach=GROUP)
        async with process.stdout, process.stderr:
            pid = int(b"".join([part async for part in process.stdout]))
            assert await process.wait() == 0
            assert alive(pid)
            os.killpg(os.getpgid(pid), signal.SIGKILL)
