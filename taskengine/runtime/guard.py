"""The guard of a child process: it ends the child, and all that came of it, with its engine.

Run as a program: `guard.py LIFELINE GRACE PATIENCE REACH LIMITS COMMAND…`. LIFELINE is the reading
end of a pipe that the engine holds open and sends pulses into.

- LET_GO says that the engine wants the child to stop: SIGTERM for its group, SIGKILL after GRACE
  seconds.
- Its end without that means that the engine died, however it died. Nobody wants what the child
  still does, and its task waits for its end (rule 6): SIGKILL at once. With the reach `group`, of
  a program that has to stop in its own way, it is the same as LET_GO.
- No pulse for PATIENCE seconds means that the engine is stopped, frozen or hung, and its peers may
  have given the task to somebody else: SIGKILL at once, and the guard ends by SIGALRM. Pulses are
  stamped with CLOCK_BOOTTIME, which goes on while the machine sleeps; a gap between two of them
  counts even if the guard was stopped as well and reads both together.
- A CUT says that somebody else has the task: SIGKILL at once.

LIMITS are bytes of memory and of a file that the child may take, `MEMORY,FILE`; 0: no limit.

The guard exits, with the child's code, only when all are gone. REACH says who that is: the child's
`group`, or the whole `tree`: processes that left the group or the session too, since they become
children of the guard when their parents end. Should the guard itself be killed, the kernel kills
the child. What else it inherited it holds open until its end, and its child does not get it.
Standard library alone: it starts quickly.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import struct
import sys
import time

UNFOUND = 127  # exit code when there is no such command
STAMP = struct.Struct("d")  # a pulse: seconds of CLOCK_BOOTTIME
CUT = -1.0
LET_GO = -2.0
TREE, GROUP = "tree", "group"
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)
LIMITED = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE)
PAUSE = 0.02  # seconds between two looks at what is ending


class Silence(Exception):
    """There was no pulse for too long."""


class LetGo(Exception):
    """The engine wants the child to stop."""


class Orphaned(Exception):
    """The engine is gone."""


class GuardLifeline:
    """The reading end of the engine's pipe."""

    def __init__(self, descriptor: int, patience: float) -> None:
        self.descriptor, self.patience = descriptor, patience
        self.last = boot_time()

    def heed(self) -> None:
        """Take in what has come. Raises LetGo, Orphaned, and Silence when it is time to kill."""
        said = None
        with contextlib.suppress(BlockingIOError):
            said = os.read(self.descriptor, 4096)
        if said == b"":
            raise Orphaned
        for (stamp,) in STAMP.iter_unpack(said or b""):
            if stamp == LET_GO:
                raise LetGo
            if stamp == CUT or stamp - self.last > self.patience:
                raise Silence
            self.last = max(self.last, stamp)
        if self.left < 0:
            raise Silence

    @property
    def left(self) -> float:
        """Seconds until the next pulse is overdue."""
        return self.last + self.patience - boot_time()

    @property
    def next_look(self) -> float | None:
        """Seconds to sleep: a part of the patience, since sleep stands still with the machine."""
        return (
            None if self.patience == float("inf") else max(0.0, min(self.left, self.patience / 4))
        )


def main(
    descriptor: int, grace: float, patience: float, reach: str, limits: str, command: list[str]
) -> int:
    """Run the command under the guard; returns the code to exit with."""
    wake, wakened = os.pipe()
    os.set_blocking(wakened, False)
    signal.set_wakeup_fd(wakened)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # orders come through the lifeline alone
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prctl(SET_CHILD_SUBREAPER, int(reach == TREE))
    lifeline = GuardLifeline(descriptor, patience)
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        become(command, guard, limits)
    watched = select.poll()  # select(2) knows no descriptors above 1023
    for readable in (descriptor, wake):
        watched.register(readable, select.POLLIN)
    status: int | None = None
    try:
        while (status := reap(child)) is None:
            look = lifeline.next_look
            ready = dict(watched.poll(None if look is None else 1000 * look))
            if wake in ready:
                os.read(wake, 512)
            lifeline.heed()
    except LetGo:
        status = stop(child, grace)
    except Orphaned:
        status = stop(child, grace if reach == GROUP else 0.0)
    except Silence:
        end_all(child, reach)
        end_by(signal.SIGALRM)
    end_all(child, reach)
    return code_of(status or 0)


def become(command: list[str], guard: int, limits: str) -> None:
    """Turn this fork into the command, in a group of its own, with the standard streams alone."""
    os.setpgid(0, 0)
    prctl(SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard:
        os._exit(UNFOUND)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    for kind, most in zip(LIMITED, limits.split(","), strict=True):
        if int(most):
            resource.setrlimit(kind, (int(most), int(most)))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(UNFOUND)


def stop(child: int, grace: float) -> int | None:
    """SIGTERM for the group; the child's wait status, SIGKILL if it lives on after the grace."""
    signal_group(child, signal.SIGTERM if grace else signal.SIGKILL)
    deadline = time.monotonic() + grace
    while (status := reap(child)) is None and time.monotonic() < deadline:
        time.sleep(PAUSE)
    return status if status is not None else signal.SIGKILL


def reap(child: int) -> int | None:
    """Take in those that have ended; the child's wait status if it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                found = ended[1]
    return found


def end_all(group: int, reach: str) -> None:
    """Nothing within reach outlives the child: kill until there is nobody left."""
    signal_group(group, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            for pid in descendants() if reach == TREE else ():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(PAUSE)


def descendants() -> list[int]:
    """The processes below this one."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
                parent = stat.read().rpartition(b")")[2].split()[1]
                children.setdefault(int(parent), []).append(int(name))
    found = list(children.get(os.getpid(), ()))
    for pid in found:  # grows as it goes
        found += children.get(pid, ())
    return found


def signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end_by(number: int) -> None:
    """End in a way that no exit code of a command can be taken for."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def code_of(status: int) -> int:
    """As a shell has it: 128 + the signal's number for a killed child."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    lifeline, grace, patience, reach, limits, *command = sys.argv[1:]
    sys.exit(main(int(lifeline), float(grace), float(patience), reach, limits, command))
