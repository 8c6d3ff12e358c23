"""The shape of the tree, as failing tests: sizes, layers, and that what exists is documented."""

import ast
import os
import re
from functools import cache
from pathlib import Path

import pytest
from click import Group

from taskengine.actions import find_actions
from taskengine.actors.tree import ACTORS
from taskengine.configuration import Configuration, builtin_workflows
from taskengine.sources import known_options
from taskengine.workflows.library import load

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "taskengine").rglob("*.py"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / "examples").glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "docs").glob("decisions/*.md"),
]
README = PAGES[0].read_text("utf-8")
CONFIGURATION_FILE = (ROOT / "config" / "taskengine.toml").read_text("utf-8")

FILE_LIMIT = 300
FUNCTION_LIMIT = 40
JUSTIFIED = {  # file: why it is longer
    "taskengine/model.py": "every noun and its docstring in one place",
    "taskengine/store/postgres/__init__.py": "a method for each question that changes something",
}
CONTRACT = ROOT / "taskengine" / "testing" / "contract"  # tests, a class for each subject
ASYNCIO = {
    "taskengine/administration.py",  # where the other event loop may be named
    "taskengine/counters/redis.py",
    "taskengine/witness/testimony.py",
    "taskengine/main.py",
}


def path_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


@cache
def trees():
    return {file: ast.parse(file.read_text("utf-8")) for file in SOURCES}


def test_files_stay_small():
    long = [
        path_of(file)
        for file in SOURCES
        if path_of(file) not in JUSTIFIED and CONTRACT not in file.parents
        if len(file.read_text("utf-8").splitlines()) > FILE_LIMIT
    ]
    assert long == []


def test_functions_stay_small():
    long = [
        f"{path_of(file)}: {node.name}"
        for file in SOURCES
        for node in ast.walk(trees()[file])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.end_lineno - node.lineno >= FUNCTION_LIMIT
    ]
    assert long == []


def test_every_module_says_what_it_is_for():
    assert [path_of(file) for file, tree in trees().items() if not ast.get_docstring(tree)] == []


def test_asyncio_stays_in_its_adapters():
    pattern = r"^\s*(?:import|from) (asyncio|trio_asyncio|asyncpg|redis)\b"
    found = {
        path_of(file)
        for file in SOURCES
        if re.search(pattern, file.read_text("utf-8"), re.MULTILINE)
        if not path_of(file).startswith(("taskengine/store/postgres/", "taskengine/cli"))
    }
    assert found <= ASYNCIO


def test_no_class_name_stands_twice():
    """But for the contract's classes of tests, each named for its subject."""
    files: dict[str, list[str]] = {}
    for file in SOURCES:
        if CONTRACT in file.parents:
            continue
        for node in ast.walk(trees()[file]):
            if isinstance(node, ast.ClassDef):
                files.setdefault(node.name, []).append(path_of(file))
    assert {name: where for name, where in files.items() if len(where) > 1} == {}


def glossary():
    """The words of README's glossary and what they mean."""
    table = README.split("## Glossary", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", table, re.MULTILINE)


def test_each_word_of_the_glossary_means_one_thing():
    words = [word for row, _ in glossary() for word in row.split(", ")]
    assert len(words) == len(set(words))
    assert len(words) > 20


def test_the_glossary_has_every_actor():
    told = " ".join(f"{words} {meaning}" for words, meaning in glossary())
    names = {row.name.split("-")[0].replace("_", " ") for row in ACTORS if not row.copies}
    assert [name for name in sorted(names) if name not in told] == []


def test_no_query_asks_the_database_for_the_time():
    for file in (ROOT / "taskengine" / "store" / "sql").glob("*.sql"):
        text = re.sub(r"-- name: time\n.*", "", file.read_text("utf-8"))
        clocks = r"\b(now|clock_timestamp|current_timestamp)\b"
        assert not re.search(clocks, text, re.IGNORECASE), file


def test_the_built_in_workflows_are_sound():
    assert load([builtin_workflows()], find_actions()).all()


def test_every_option_is_in_the_configuration_file():
    tables, table = {"": ""}, ""
    for line in CONFIGURATION_FILE.splitlines():
        if line.startswith("["):
            table = line[1 : line.index("]")]
        tables[table] = tables.get(table, "") + "\n" + line.lstrip("# ")
    names = [(".".join(path[:-1]), path[-1]) for path in known_options(Configuration)]
    missing = [
        (table, name)
        for table, name in names
        if f"\n{name} = " not in tables.get(table, "") and name not in tables
    ]
    assert missing == []


def test_every_option_says_what_it_is():
    untold = [path for path, field in known_options(Configuration).items() if not field.description]
    assert untold == []


def test_the_readme_names_the_commands_people_start_with():
    for command in ("make demo", "make test", "make serve"):
        assert command in README


@cache
def modules():
    """The paths of all, but for what was installed besides."""
    return [
        f"{folder}/{name}"
        for top in ("taskengine", "tests", "bench", "examples")
        for folder, _, names in os.walk(ROOT / top)
        if "node_modules" not in folder
        for name in names
        if name.endswith(".py")
    ]


@pytest.mark.parametrize("page", PAGES, ids=path_of)
def test_links_and_files_named_in_documents_exist(page):
    text = page.read_text("utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    named = re.findall(r"`(?:taskengine/)?([a-z_/]+\.py)\b", text)
    missing = [name for name in named if not any(one.endswith(f"/{name}") for one in modules())]
    assert missing == []


def test_every_command_helps():
    from taskengine.cli import main

    assert isinstance(main, Group)
    assert all(command.help for command in main.commands.values())
