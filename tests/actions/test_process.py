import ast
import sys

import pytest

from taskengine.actions import find_actions
from taskengine.actions.process import OUTPUT_LIMIT
from taskengine.model import PermanentFailure
from taskengine.runtime.process import ProcessFailed
from taskengine.testing.actions import fake_context

RUN = find_actions()["process.run"]
COMMANDS = {"python": [sys.executable, "-c"], "echo": ["echo", "--"]}


@pytest.fixture
def context(tmp_path):
    return fake_context(tmp_path, commands=COMMANDS)[0]


async def test_a_listed_command_runs_with_its_arguments(context):
    values = {"command": "echo", "arguments": ["a b", "$HOME;"]}
    assert await RUN(context, values) == {"output": "-- a b $HOME;\n"}


async def test_arguments_may_be_left_out(context):
    assert await RUN(context, {"command": "echo"}) == {"output": "--\n"}


async def test_a_command_runs_in_the_scratch_folder(context):
    values = {"command": "python", "arguments": ["import os; print(os.getcwd(), end='')"]}
    assert await RUN(context, values) == {"output": str(context.scratch.resolve())}


@pytest.mark.parametrize("command", ["sh", "/bin/echo", ""])
async def test_another_command_is_refused(context, command):
    with pytest.raises(PermanentFailure, match=rf"{command!r}.*: echo, python$"):
        await RUN(context, {"command": command})


async def test_nothing_is_allowed_unless_it_is_listed(tmp_path):
    with pytest.raises(PermanentFailure, match=r": none$"):
        await RUN(fake_context(tmp_path)[0], {"command": "echo"})


async def test_the_end_of_a_long_output_is_kept(context):
    program = f"print('ä' * {OUTPUT_LIMIT} + 'end', end='')"
    output = (await RUN(context, {"command": "python", "arguments": [program]}))["output"]
    assert output.endswith("ääend")
    assert OUTPUT_LIMIT - 2 < len(output.encode()) <= OUTPUT_LIMIT


async def test_what_cannot_be_stored_is_replaced(context):
    values = {"command": "python", "arguments": [r"print('a\0b', end='')"]}
    assert await RUN(context, values) == {"output": "a\ufffdb"}


async def test_a_command_that_fails_may_be_tried_again(context):
    with pytest.raises(ProcessFailed, match="code 3"):
        await RUN(context, {"command": "python", "arguments": ["raise SystemExit(3)"]})


async def test_a_command_gets_nothing_of_the_engines_environment(context, monkeypatch):
    for name in ("TASKENGINE_BOOTSTRAP_CLIENT", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "MY_OWN"):
        monkeypatch.setenv(name, "root:root-secret-key-1234")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    program = "import os; print(sorted(os.environ))"
    output = (await RUN(context, {"command": "python", "arguments": [program]}))["output"]
    names = set(ast.literal_eval(output))
    assert {"PATH", "LC_ALL"} <= names
    assert names <= {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ"),
        *("TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME"),
    }
