"""The files for containers and systemd name what there is."""

from __future__ import annotations

import json
import re
from configparser import RawConfigParser

import pytest
from compose_spec import PyCompose

from taskengine.configuration import Configuration
from taskengine.sources import known_options
from tests.support.proxies import DEPLOY
from tests.test_documents import check_command

CONTAINERFILE = (DEPLOY / "Containerfile").read_text("utf-8")
OPTIONS = {"_".join(path).upper() for path in known_options(Configuration)} | {"CONFIG"}


@pytest.fixture(scope="module")
def services():
    """Read by an implementation of the specification, which refuses what it does not know."""
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    return PyCompose.from_yaml(text).to_dict()["services"]


def test_three_instances_share_a_database_a_disk_and_a_proxy(services):
    engines = {name: one for name, one in services.items() if "build" in one}
    assert len(engines) == 3
    assert len({json.dumps(one, sort_keys=True) for one in engines.values()}) == 1
    upstreams = re.findall(r"server (\w+):8080 ", (DEPLOY / "nginx/compose.conf").read_text())
    assert upstreams == sorted(engines)
    assert set(services["proxy"]["depends_on"]) == set(engines)
    assert "TASKENGINE_BIND=0.0.0.0:8080" in CONTAINERFILE


def test_variables_that_are_set_are_options(services):
    named = set(services["engine1"]["environment"])
    named |= set(re.findall(r"TASKENGINE_\w+(?==)", CONTAINERFILE + unit_text()))
    assert {one.removeprefix("TASKENGINE_") for one in named} <= OPTIONS


def test_commands_that_are_started_are_the_engines():
    [words] = re.findall(r"^CMD (.*)$", CONTAINERFILE, re.MULTILINE)
    check_command(json.loads(words))
    unit = RawConfigParser(strict=False)
    unit.read_string(unit_text())
    program, *arguments = unit["Service"]["ExecStart"].split()
    assert program.endswith(".venv/bin/taskengine")
    check_command(["taskengine", *arguments])


def test_files_that_are_copied_into_the_image_exist():
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINERFILE, re.MULTILINE)
    missing = [
        one for words in copied for one in words.split() if not (DEPLOY.parent / one).exists()
    ]
    assert missing == []


def unit_text() -> str:
    return (DEPLOY / "systemd/taskengine.service").read_text("utf-8")
