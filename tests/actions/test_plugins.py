"""Actions of installed packages: found by entry points, whatever else their modules hold."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from unittest.mock import call

import pytest
from click.testing import CliRunner

from taskengine import plugins
from taskengine.actions import find_actions
from taskengine.actions.registry import GROUP
from taskengine.cli import main
from taskengine.plugins import BrokenPlugin

BROKEN = {
    "import sys; sys.exit(3)": "SystemExit: 3",
    "raise GeneratorExit": "GeneratorExit",
    "raise BaseException('odd')": "BaseException: odd",
    "import no_such_module_at_all": "ModuleNotFoundError: No module named 'no_such_module_at_all'",
    "this is no Python": "SyntaxError: invalid syntax",
    "1 / 0": "ZeroDivisionError: division by zero",
    "from taskengine.actions import action\n"
    "@action('own.x')\nasync def x(context, *, a: NoSuchType): ...": "NameError",
}


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Install a package of one module with this text."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "plugged_in", raising=False)

    def install(text, value="plugged_in"):
        (tmp_path / "plugged_in.py").write_text(text)
        entry = EntryPoint("own", value, GROUP)
        monkeypatch.setattr(plugins, "entry_points", lambda group: [entry])

    yield install
    sys.modules.pop("plugged_in", None)


@pytest.mark.parametrize("text", BROKEN)
def test_one_that_cannot_be_imported_is_named(plug_in, text):
    plug_in(text)
    with pytest.raises(BrokenPlugin) as broken:
        find_actions()
    told = str(broken.value)
    assert told.startswith("the plug-in own (plugged_in) cannot be used: ")
    assert BROKEN[text] in told


def test_one_that_is_no_module_is_named(plug_in):
    plug_in("async def x(context): ...", "plugged_in:x")
    with pytest.raises(BrokenPlugin, match="expected a module, got function"):
        find_actions()


def test_objects_that_answer_to_anything_are_no_actions(plug_in, monkeypatch):
    class Lazy:
        def __getattr__(self, name):
            raise RuntimeError("not yet")

    plug_in("")
    module = ModuleType("plugged_in")
    module.lazy, module.call = Lazy(), call
    monkeypatch.setitem(sys.modules, "plugged_in", module)
    assert "core.noop" in find_actions()


def test_commands_say_so_in_a_line(plug_in):
    plug_in("import sys; sys.exit(0)")
    result = CliRunner().invoke(main, ["workflows", "check"])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == (
        "Error: the plug-in own (plugged_in) cannot be used: SystemExit: 0"
    )
