"""The program file, run where there is no Python: `make binary-test`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.api.through import PROXIES
from tests.support.proxies import caddy, nginx
from tests.support.terminals import free_port

CHECKOUT = Path(__file__).resolve().parents[2]
HIDDEN = {  # where Python is, and the checkout
    *map(Path, (sys.base_prefix, sys.prefix, CHECKOUT)),
    *Path("/usr/lib").glob("python3*"),
    *Path("/usr/local/lib").glob("python3*"),
} - {Path("/usr")}
AS_ROOT = os.geteuid() == 0  # who else may not mount anything but in a world of one's own
VIEW = ["unshare", "--mount", *([] if AS_ROOT else ["--map-current-user", "--keep-caps"])]
HIDING = 'for folder in $HIDDEN; do mount -t tmpfs none "$folder"; done; exec env -i "$@"'
FIRST_START, START = 3.0, 1.0  # seconds
QUIETLY = ("-q", "-p", "no:cacheprovider", "-p", "no:schemathesis")


class Host:
    """A machine with the program file and its user's home, and nothing of Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "taskengine"
        shutil.copy(CHECKOUT / "dist" / "taskengine", self.program)

    def command(self, *arguments: str, **variables: str) -> list[str]:
        """How to run the program with these variables and an empty PATH."""
        given = {"HOME": str(self.folder), "PATH": "", **variables}
        named = [f"{name}={value}" for name, value in given.items()]
        hidden = f"HIDDEN={' '.join(map(str, HIDDEN))}"
        view = [*VIEW, "env", hidden, "sh", "-c", HIDING, "sh"]
        return [*view, *named, str(self.program), *arguments]

    def run(self, *arguments: str, **variables: str) -> str:
        """What a command prints."""
        return subprocess.run(
            self.command(*arguments, **variables),
            cwd=self.folder,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=600,  # for what would hang
        ).stdout

    @contextmanager
    def serving(self, **variables: str):
        """An engine on embedded servers; its URL."""
        process = subprocess.Popen(
            self.command("serve", "--bind", "127.0.0.1:0", **variables),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return Host(tmp_path_factory.mktemp("host"))


def test_the_program_starts_in_time_and_the_next_time_at_once(host):
    for limit in (FIRST_START, START):
        since = time.monotonic()
        assert host.run("version").strip()
        took = time.monotonic() - since
        print(f"started in {took:.2f} s")
        assert took < limit


def test_first_starts_at_the_same_time_unpack_one_content(host, tmp_path):
    command = host.command("version", XDG_CACHE_HOME=str(tmp_path))
    several = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [one.wait(100) for one in several] == [0, 0, 0]
    [content] = (tmp_path / "taskengine").iterdir()
    assert (content / "bin" / "python").exists()


def test_a_program_without_a_folder_to_unpack_into_says_which_variable_names_one(host):
    command = [one for one in host.command("version") if not one.startswith("HOME=")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "set HOME, XDG_CACHE_HOME or CACHE_DIRECTORY" in done.stderr


def test_an_engine_serves_jobs_to_clients_and_through_proxies(host, tmp_path):
    (host.folder / "job.json").write_text('{"job": {"workflow": "noop"}, "parameters": {}}')
    client = {"TASKENGINE_CLIENT": "acme", "TASKENGINE_API_KEY": "secret-key"}
    with host.serving(TASKENGINE_BOOTSTRAP_CLIENT="acme:secret-key") as url, ExitStack() as stack:
        instances = [urlsplit(url).netloc, f"127.0.0.1:{free_port()}"]  # the other one is away
        proxies = [stack.enter_context(proxy(instances, tmp_path)) for proxy in (nginx, caddy)]
        for place in (url, *proxies):
            told = host.run("submit", "job.json", "--watch", TASKENGINE_URL=place, **client)
            assert told.rstrip().endswith("completed")
            assert "noop" in host.run("jobs", TASKENGINE_URL=place, **client)


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_contract_holds_behind_a_proxy(host, proxy):
    """All tests of the API against what the file brings: its Python, its packages, its engine."""
    host.run("version")  # unpacked
    [python] = host.folder.glob(".cache/taskengine/*/bin/python")
    packages = Path(pytest.__file__).parents[1]  # pytest's own, behind those of the file
    begin = f"import sys; sys.path += {[str(CHECKOUT), str(packages)]}; import pytest, taskengine"
    told = "print(taskengine.__file__); sys.exit(pytest.main(sys.argv[1:]))"
    command = [str(python), "-s", "-P", "-c", f"{begin}; {told}", *QUIETLY, "--through", proxy]
    env = {key: text for key, text in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, "tests/api"], cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(str(python.parents[1]))


def test_an_action_of_ones_own_is_found(host):
    """A package beside the program, as README puts it."""
    installed = host.folder / "my-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    package = CHECKOUT / "examples" / "package"
    subprocess.run([*pip, "--target", str(installed), str(package)], check=True)
    assert "greeting.greet" in host.run("actions", "list", PYTHONPATH=str(installed))


def test_the_demonstration_runs(host):
    """Packaging, DRM and a capture: with ffmpeg, ffprobe and the packager of the file."""
    assert "All jobs completed, the results play" in host.run("demo", "--exit")
