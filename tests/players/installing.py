"""What the tests of players need besides the project's own lock file, and how to get it."""

import shutil
from pathlib import Path

INSTALLER = Path(__file__).parent / "install"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser():
    """Its path; None: there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def missing():
    """What there is not, in words that say what to do; empty: nothing."""
    modules = INSTALLER.parent / "node_modules/.installed"
    found = {"Chromium": browser(), "Node.js": shutil.which("node"), "players": modules.exists()}
    lacking = [name for name, there in found.items() if not there]
    return f"{', '.join(lacking)} missing: run `make players`, which says what to do" * bool(
        lacking
    )
