"""The witness of an engine: it sees the engine's process end and says so in the database (rule 2).

Run as a program, by the engine: `testimony.py ENGINE BOND`. ENGINE is the process id of the engine;
BOND is the reading end of a pipe whose other end the engine holds, and so does every guard of a
child process, for as long as it lives. On its standard input the witness is told the rest, as JSON:
secrets are in it.

- A byte in the pipe says that the engine has left in good order: there is nothing to tell.
- The end of the pipe says that the engine is gone, and the children of its tasks with it (rule 6):
  the witness states it in the database, again and again while that is away, for `patience` seconds.
- An engine that is stopped, hangs, or has lost its network holds the pipe open: nothing is told.
  Neither is it of one that lost the pipe and lives on.

Where the witness dies as well, peers wait for a lease. It is small, since it stays for as long as
the engine runs; but the driver is loaded from the beginning, since afterwards seconds count.
"""

import asyncio
import contextlib
import fcntl
import itertools
import json
import os
import signal
import sys
import time

UNTOLD, LIVES = 1, 3  # exit codes: the database stayed away; the engine lives without its pipe
REAPING = 5.0  # seconds between the end of a process's pipe and its own
POLL_INTERVAL = 0.01  # seconds between two looks whether it has ended
REQUEST_DEADLINE = 5.0  # seconds for each try
PAUSES = (0.05, 0.1, 0.2)  # seconds between tries; the last one again and again


def main(engine: int, bond: int) -> int:
    """Watch until the engine has ended or sends the witness away; the code to exit with."""
    # A terminal or service manager signals everything at once; a witness goes after its engine.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    told = json.load(sys.stdin)
    sys.path += told["path"]
    import asyncpg  # noqa: F401 - it is needed at once, or never

    if told["lock"]:
        share(told["lock"])
    if os.read(bond, 1):
        return 0
    if not has_ended(engine):
        return LIVES
    return asyncio.run(testify(told["database_url"], told["statement"], told["patience"]))


def share(path: str) -> None:
    """Hold a share of an embedded server, which stops when nobody does, until this process ends."""
    with contextlib.suppress(BlockingIOError):  # it is stopping
        fcntl.flock(os.open(path, os.O_RDWR), fcntl.LOCK_SH | fcntl.LOCK_NB)


def has_ended(engine: int) -> bool:
    """Whether the parent is gone; the kernel closes the pipes of a process shortly before."""
    deadline = time.monotonic() + REAPING
    while os.getppid() == engine and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL)
    return os.getppid() != engine


async def testify(url: str, statement: str, patience: float) -> int:
    """Tell the database, for as long as there is patience."""
    deadline = time.monotonic() + patience
    for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
        with contextlib.suppress(Exception):  # whatever it is may pass, and nobody would read it
            await tell(url, statement)
            return 0
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(pause)
    return UNTOLD


async def tell(url: str, statement: str) -> None:
    """Once, on a connection that is dropped when it does not answer: the driver's polite cancel
    takes long where the server is stopped (rule 23)."""
    import asyncpg

    name = {"application_name": "taskengine"}
    connection = await asyncpg.connect(url, timeout=REQUEST_DEADLINE, server_settings=name)
    try:
        # Without arguments it leaves nothing in the session, which may be a pooler's.
        [answer], _ = await asyncio.wait(
            [asyncio.ensure_future(connection.execute(statement))], timeout=REQUEST_DEADLINE
        )
        answer.result()
    finally:
        connection.terminate()


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
