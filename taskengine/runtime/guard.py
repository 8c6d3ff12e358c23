"""The guard of a child process: it ends the child's whole group when its engine is gone.

Run as a program: `guard.py LIFELINE GRACE COMMAND…`. LIFELINE is the reading end of a pipe that
the engine holds open; its end means that the engine let go or died, however it died. The child
gets a process group of its own, SIGTERM first, SIGKILL after GRACE seconds, and the guard exits,
with the child's code, only when the group is gone. Standard library alone: it starts quickly.
"""

import contextlib
import os
import select
import signal
import sys
import time

UNFOUND = 127  # exit code when there is no such command


def main(lifeline: int, grace: float, command: list[str]) -> int:
    """Run the command under the guard; returns the code to exit with."""
    wake, wakened = os.pipe()
    os.set_blocking(wakened, False)
    signal.set_wakeup_fd(wakened)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # orders come through the lifeline alone
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        become(command, (lifeline, wake, wakened))
    while True:
        ready, _, _ = select.select([lifeline, wake], [], [])
        if wake in ready:
            os.read(wake, 512)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            end_group(child)
            return code_of(status)
        if lifeline in ready and not os.read(lifeline, 1):
            return code_of(stop(child, grace))


def become(command: list[str], inherited: tuple[int, ...]) -> None:
    """Turn this fork into the command, in a group of its own."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    for fd in inherited:
        os.close(fd)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(UNFOUND)


def stop(child: int, grace: float) -> int:
    """SIGTERM, then SIGKILL for the group; returns the child's wait status."""
    signal_group(child, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            end_group(child)
            return status
        time.sleep(0.02)
    signal_group(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return status


def end_group(group: int) -> None:
    """Grandchildren do not outlive the child."""
    signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def code_of(status: int) -> int:
    """As a shell has it: 128 + the signal's number for a killed child."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
