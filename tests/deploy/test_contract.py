"""The tests of the API through real proxies: `make test ARGS="tests/api --through nginx"`.

Here those whose answers a proxy could change most, by the same tests in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.through import PROXIES

ROOT = Path(__file__).parents[2]
FILES = ("test_errors_as_written.py",)
QUIETLY = ("-q", "-p", "no:cacheprovider", "-p", "no:schemathesis")


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_contract_holds_behind_a_proxy(proxy):
    files = [f"tests/api/{name}" for name in FILES]
    command = [sys.executable, "-m", "pytest", *QUIETLY, "--through", proxy, *files]
    env = {key: text for key, text in os.environ.items() if not key.startswith("PYTEST_")}
    told = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout
    assert " passed" in told.stdout
