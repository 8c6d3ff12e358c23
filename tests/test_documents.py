"""Every block and every command of the documents is read by whoever it is meant for.

Blocks for a shell are run by tests/e2e: those of README and of the examples, as pasted. Here the
rest is read, in a second: files by the engine's own readers, command lines by the commands.
"""

from __future__ import annotations

import ast
import configparser
import importlib
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import click
import pytest
import yaml

from taskengine import cli, sources
from taskengine.actions import registry
from taskengine.api.auth import KEY_HEADERS
from taskengine.configuration import Configuration, builtin_workflows
from taskengine.jobs.submission import Reader, Received
from taskengine.model import Client
from taskengine.storage import settings as storages
from taskengine.workflows.library import Library, load, read
from tests.api.documents import tidy
from tests.e2e.test_readme import HAVE_TESTS
from tests.support.terminals import blocks

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "examples").glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
RUN = {  # pages whose shell blocks are run, and by which test
    "README.md": "tests/e2e/test_readme.py",
    "examples/README.md": "tests/e2e/test_examples.py",
}
UNREAD = {  # blocks that nothing reads, by page and language, and why
    ("README.md", ""): "a picture",
    ("docs/architecture.md", ""): "a picture",
    ("docs/archive.md", ""): "a picture",
    ("docs/capture.md", ""): "a picture",
    ("docs/remix.md", ""): "a picture",
    ("docs/states.md", ""): "a picture",
    ("docs/spec/task-engine-api.md", "text"): "an answer in plain text; tests/api compares it",
}
ENTRY_POINTS = {registry.GROUP, storages.GROUP}
NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)


def unrun() -> Iterator[tuple[str, str, str]]:
    """The blocks that are read here, each with a name and its language."""
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        for number, (language, text) in enumerate(blocks(page)):
            is_run = name in RUN and language == "sh" and HAVE_TESTS not in text
            if not is_run and (name, language) not in UNREAD:
                yield f"{name}-{number}", language, text


@pytest.mark.parametrize(("block", "language", "text"), [*unrun()])
def test_each_block_is_understood_by_what_it_is_meant_for(block, language, text, tmp_path):
    file = tmp_path / "common" / f"block.{language}"
    file.parent.mkdir()
    file.write_text(text, "utf-8")
    READERS[language](file)


def test_no_block_is_left_out_that_is_not_there():
    there = {(str(page.relative_to(ROOT)), block[0]) for page in PAGES for block in blocks(page)}
    assert set(UNREAD) <= there
    assert {(page, "sh") for page in RUN} <= there
    for page, test in RUN.items():
        assert page in (ROOT / test).read_text("utf-8")


def read_json(file: Path) -> None:
    """A payload is a job that its workflow takes."""
    value = json.loads(tidy(file.read_text("utf-8")))
    if isinstance(value, dict) and "job" in value and "..." not in value["parameters"]:
        storages = ("local", "S3", "azure_blob")
        reader = Reader(library(), "local", NOON, storages=storages)
        assert reader.read(Received(value, Client("acme", "hash"), {})).refusal is None


@cache
def library() -> Library:
    return load([builtin_workflows()], registry.find_actions())


def read_yaml(file: Path) -> None:
    """A workflow, or where Prometheus finds the metrics."""
    content = yaml.safe_load(file.read_text("utf-8"))
    if "workflow" in content:
        read(file, registry.find_actions())
        return
    [scraped] = content["scrape_configs"]
    assert set(scraped["http_headers"]) == {"client", KEY_HEADERS[0]}


def read_toml(file: Path) -> None:
    """A configuration, or what a package says of itself."""
    content = tomllib.loads(file.read_text("utf-8"))
    if "project" in content:
        assert set(content["project"]["entry-points"]) <= ENTRY_POINTS
        return
    sources.read(Configuration, [sources.of_file(file, Configuration)], frozenset())


def read_ini(file: Path) -> None:
    """What PgBouncer reads."""
    content = configparser.ConfigParser(inline_comment_prefixes=";")
    content.read(file, "utf-8")
    assert content["pgbouncer"]["pool_mode"] == "transaction"


def read_python(file: Path) -> None:
    """A program, in which what it imports of the engine is to be had."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("taskengine"):
            module = importlib.import_module(str(node.module))
            assert [one.name for one in node.names if not hasattr(module, one.name)] == []


def read_shell(file: Path) -> None:
    """Commands that there are, with options that there are; and variables."""
    variables = {}
    for line in file.read_text("utf-8").splitlines():
        words = shlex.split(line, comments=True)
        while words and (found := re.fullmatch(r"(TASKENGINE_\w+)=(.*)", words[0])):
            variables[found[1]] = found[2]
            del words[0]
        check_command(words)
    settings = sources.of_environment(variables, Configuration, "TASKENGINE_", frozenset())
    assert set(settings.values) <= set(sources.known_options(Configuration)) | {("config",)}


READERS: dict[str, Callable[[Path], None]] = {
    "ini": read_ini,
    "json": read_json,
    "python": read_python,
    "sh": read_shell,
    "toml": read_toml,
    "yaml": read_yaml,
}


def spans() -> Iterator[tuple[str, str]]:
    """Commands of ours in running text and tables, with the page that they stand in."""
    for page in PAGES:
        plain = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for span in re.findall(r"`((?:\.venv/bin/)?(?:taskengine|make) [^`]+)`", plain):
            yield str(page.relative_to(ROOT)), span.replace("\n", " ").replace(r"\|", "|")


@pytest.mark.parametrize(("page", "command"), sorted(set(spans())))
def test_each_command_of_the_text_is_one(page, command):
    for words in spelt_out(shlex.split(command)):
        check_command(words)


def spelt_out(words: list[str]) -> Iterator[list[str]]:
    """The commands that a notation stands for: `a|b` are two, `[x]` may be there or not."""
    for number, word in enumerate(words):
        if "|" in word:
            for one in word.strip("[]").split("|"):
                yield from spelt_out([*words[:number], one, *words[number + 1 :]])
            return
    yield [word.strip("[]") for word in words]


def check_command(words: list[str]) -> None:
    """Of ours, and of `make`: whoever reads the words understands them."""
    match words:
        case ["taskengine" | ".venv/bin/taskengine", *arguments]:
            understand(cli.main, arguments)
        case ["make", *arguments]:
            targets = re.findall(
                r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
            )
            assert {one for one in arguments if "=" not in one} <= set(targets)


def understand(command: click.Command, arguments: list[str]) -> None:
    """Find the command, have it parse its options, and compare the number of its arguments."""
    context = click.Context(command)
    while isinstance(command, click.Group) and arguments:
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    _, left, _ = command.make_parser(context).parse_args(list(arguments))
    assert left == []
