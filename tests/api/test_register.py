"""The register is complete: each sentence of the documents has its tests, and these exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.api.documents import CONTRACT, DECISIONS, WORKFLOWS, blocks, statements

TESTS = Path(__file__).parents[1]
REGISTER = yaml.safe_load((Path(__file__).parent / "register.yaml").read_text("utf-8"))
LEFT_OUT = {  # headings whose sentences are about media
    CONTRACT: "$^",
    DECISIONS: "Manifest sets|Workflows",
    WORKFLOWS: r"Media workflows: specification|\d\. .*|[347]\.\d+ .*|5\.[1-4] .*|6\.\d .*"
    "|API, job, scheduling|Callbacks|Workflows",
}
ROWS = [
    (document, heading, row)
    for document, headings in REGISTER.items()
    for heading, rows in headings.items()
    for row in rows
]


@pytest.mark.parametrize("document", LEFT_OUT)
def test_every_sentence_is_registered_in_its_place(document):
    said = {
        block.heading: statements(block)
        for block in blocks(document)
        if not re.fullmatch(LEFT_OUT[document], block.heading)
    }
    registered = {
        heading: [row["says"] for row in rows] for heading, rows in REGISTER[document].items()
    }
    assert {heading: rows for heading, rows in said.items() if rows} == registered


def test_every_sentence_is_held_by_tests_that_exist():
    """Or has a reason why it is not, and nothing else."""
    wrong = [
        row["says"] for *_, row in ROWS if bool(row.get("untested")) == bool(row.get("held_by"))
    ]
    assert wrong == []
    named = {name for *_, row in ROWS for name in row.get("held_by", ())}
    assert [name for name in sorted(named) if not _exists(name)] == []


def test_most_sentences_are_tested():
    untested = [row["says"] for *_, row in ROWS if "untested" in row]
    assert len(untested) < len(ROWS) / 10


def _exists(name: str) -> bool:
    file, _, test = name.partition("::")
    return test in _tests_of(file)


@cache
def _tests_of(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))
