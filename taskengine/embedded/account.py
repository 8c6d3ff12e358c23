"""Which user PostgreSQL runs as: it refuses root. Standard library only."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path
from signal import SIGQUIT

from taskengine.embedded.child import Account

# Folders above the binaries or the data may be closed to others (a 0700 home, `mktemp -d`). Rather
# than to open them, the server keeps one capability; the narrower one is not granted everywhere.
_CAPABILITIES = ("dac_read_search", "dac_override")


def database_account(data: Path, binary: Path) -> Account:
    """Return the least privileged account that reaches both paths."""
    if os.geteuid() != 0:
        return Account()
    uid, gid = _owner(data)
    for account in _candidates(uid, gid):
        if _reaches(account, data.parent, binary):
            return account
    raise PermissionError(f"user {uid} reaches neither {data.parent} nor {binary}; run as non-root")


def _owner(data: Path) -> tuple[int, int]:
    """Return whose the data are: theirs who made them, at first nobody's."""
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _candidates(uid: int, gid: int) -> Iterator[Account]:
    yield Account(uid, gid)
    for capability in _CAPABILITIES:
        yield Account(uid, gid, _setpriv(uid, gid, capability))


def _setpriv(uid: int, gid: int, capability: str) -> tuple[str, ...]:
    only = f"-all,+{capability}"
    return (
        "setpriv",
        *(f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"),
        *(f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}"),
        # Without it access(2), by which PostgreSQL looks for its programs, ignores capabilities.
        "--securebits=+no_setuid_fixup",
        # The guard's own request is lost when the user changes.
        f"--pdeathsig={SIGQUIT.name.removeprefix('SIG')}",
    )


def _reaches(account: Account, folder: Path, binary: Path) -> bool:
    """Try it: folders, containers and setpriv's version decide what is allowed."""
    script = 'cd "$0" && exec "$1" --version'
    try:
        trial = account.start(
            ("sh", "-c", script, folder, binary), SIGQUIT, output=subprocess.DEVNULL
        )
    except OSError:
        return False
    return trial.wait() == 0
