"""Signals to stop, on virtual time, and the end of a process that does not end."""

import subprocess
import sys

import trio

from taskengine.runtime.shutdown import Shutdown


async def test_nobody_waits_for_a_notice_that_was_not_given(autojump_clock):
    await Shutdown(notice=10).notice_given()
    assert trio.current_time() == 0


async def test_submissions_are_taken_while_the_notice_lasts(autojump_clock):
    shutdown = Shutdown(notice=10)
    assert (shutdown.leaving, shutdown.refusing) == (False, False)
    shutdown.tell()
    assert (shutdown.leaving, shutdown.refusing) == (True, False)
    await trio.sleep(4)
    await shutdown.notice_given()
    assert trio.current_time() == 10
    assert shutdown.refusing


async def test_without_a_notice_submissions_are_refused_at_once(autojump_clock):
    shutdown = Shutdown()
    assert not shutdown.refusing
    shutdown.tell()
    assert shutdown.refusing


async def test_a_second_signal_hurries_but_not_the_echo_of_the_first(autojump_clock):
    shutdown = Shutdown(notice=10)
    shutdown.tell()
    await trio.sleep(0.5)
    shutdown.tell()
    assert not shutdown.hurried.is_set()
    await trio.sleep(1)
    shutdown.tell()
    await shutdown.notice_given()
    assert trio.current_time() == 1.5
    assert shutdown.refusing


STUCK = """
import time, trio
from taskengine.runtime.shutdown import watch_over_the_end
watch_over_the_end(0.2)
trio.run(trio.to_thread.run_sync, time.sleep, 300)
"""


def test_a_thread_that_cannot_be_cancelled_does_not_keep_the_process():
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, timeout=60)
    assert done.returncode == 70
    assert b"not ended 0.2 s after the stop" in done.stderr
