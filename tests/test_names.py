"""A failure report shows the names of tests alone: each has a subject of its own."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONTINUES = re.compile(
    r"test_(and|also|but|it|its|nor|so|that|then|these|they|those)_(?!a_|an_|the_)"
)
KINDS = (ast.FunctionDef, ast.AsyncFunctionDef)


def names() -> list[tuple[str, str]]:
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "taskengine/testing").rglob("*.py")]
    trees = {str(file.relative_to(ROOT)): ast.parse(file.read_text("utf-8")) for file in files}
    nodes = ((file, node) for file, tree in trees.items() for node in ast.walk(tree))
    return [(file, node.name) for file, node in nodes if isinstance(node, KINDS)]


def test_no_name_goes_on_with_what_another_test_has_said():
    found = names()
    assert len(found) > 1000
    assert [one for one in found if CONTINUES.match(one[1])] == []
