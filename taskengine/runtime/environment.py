"""What child processes get of the engine's environment: what programs need to run, nothing else.

Passwords come in variables of any name; so those that pass are listed, not those that do not.
"""

from __future__ import annotations

import os
import re
from typing import Final

PASSED: Final = re.compile(
    "PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|LD_LIBRARY_PATH"
    "|SSL_CERT_FILE|SSL_CERT_DIR|FONTCONFIG_FILE|FONTCONFIG_PATH|XDG_CACHE_HOME"
)


def clean_environment(*more: str) -> dict[str, str]:
    """The variables that a child process gets; `more` are names of others."""
    names = [name for name in os.environ if PASSED.fullmatch(name) or name in more]
    return {name: os.environ[name] for name in names}
