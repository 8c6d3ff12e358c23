"""A failure report shows the names of tests alone: each has a subject of its own."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONTINUES = re.compile(
    r"test_(and|also|but|it|its|nor|so|that|then|these|they|those)_(?!a_|an_|the_)"
)
DEFINED = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)


def names() -> list[tuple[str, str]]:
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "taskengine/testing").rglob("*.py")]
    return [
        (file.name, name) for file in files for name in DEFINED.findall(file.read_text("utf-8"))
    ]


def test_no_name_goes_on_with_what_another_test_has_said():
    found = names()
    assert len(found) > 1000
    assert [one for one in found if CONTINUES.match(one[1])] == []
