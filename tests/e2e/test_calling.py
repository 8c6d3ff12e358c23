"""Help, and what is said of commands that are called or configured wrongly."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
import trio
from click.testing import CliRunner

from taskengine.cli import database, main
from taskengine.client import Unreachable, patiently
from taskengine.configuration import Configuration
from taskengine.counters.redis import open_redis
from taskengine.model import BadInput, Misconfigured
from taskengine.outbound import open_outbound
from taskengine.sources import is_secret, known_options


def test_help_imports_little():
    code = "import sys, taskengine.cli as c\ntry: c.run()\nfinally: print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True
    )
    imported = done.stdout.split()
    assert "workflows" in imported
    assert not {"trio", "quart", "jinja2", "pydantic", "httpx"} & set(imported)


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "demo",
        "client add",
        "client set",
        "client key",
        "client list",
        "client remove",
        "db upgrade",
        "workflows list",
        "workflows show",
        "workflows check",
        "actions list",
        "actions show",
        "submit",
        "jobs",
        "logs",
        "pause",
        "resume",
        "break",
        "rerun",
        "version",
    ],
)
def test_every_command_has_help(command):
    result = CliRunner().invoke(main, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"{command} " in result.output


def test_the_version_is_told_as_people_ask_for_it():
    asked = [CliRunner().invoke(main, [words]).output for words in ("--version", "version")]
    assert asked == [f"{version('taskengine')}\n"] * 2


def test_every_setting_is_an_option_of_serve():
    output = CliRunner().invoke(main, ["serve", "--help"], terminal_width=300).output
    fields = {
        "-".join(path).replace("_", "-").lower(): field
        for path, field in known_options(Configuration).items()
    }
    assert {"drain", "storage-default", "storage-local-input-root"} < {*fields}
    for name, field in fields.items():
        is_shown = name != "secrets" and not is_secret(field)  # `ps` would show them
        assert (f"--{name}" in output) is is_shown


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ("serve --drain soon", 2, "Error: --drain: expected a number"),
        ("serve --lease 0", 2, "--lease: expected more than 0, got '0'"),
        ("serve --queues walk=1", 2, "there is no queue 'walk', expected work"),
        ("serve --queues work", 2, "expected NAME=NUMBER, got 'work'"),
        ("serve --queues work=-1", 2, "--queues: work: expected at least 0, got '-1'"),
        ("serve --bind 8080", 2, "--bind: expected ADDRESS:PORT, got '8080'"),
        ("serve --bootstrap-client acme", 2, "--bootstrap-client: expected NAME:KEY"),
        (
            "serve --workflows /no/such/folder",
            2,
            "folder:1: no such folder, but the option workflows",
        ),
        ("serve --database-url nonsense", 2, "expected a URL such as postgresql://"),
        ("serve --commands [", 2, "expected a JSON object"),
        ("serve --frobnicate", 2, "No such option"),
        ("jobs --limit 0", 2, "--limit"),
        ("jobs --state odd", 2, "--state"),
        ("jobs --limit x", 2, "'x' is not a valid whole number"),
        ("logs x", 2, "expected a job id, a number of 1 or more, got 'x'"),
        ("pause 0", 2, "expected a job id, a number of 1 or more, got '0'"),
        ("rerun 1 --definition newest", 2, "'newest' is not one of 'original', 'current'"),
        ("actions show core.slep", 1, "there is no action core.slep; is 'core.sleep' meant?"),
        ("client key a --grace -1", 2, "--grace"),
        ("client set a", 2, "expected KEY=VALUE, --admin, --no-admin or --api-key"),
        ("serve --config /no/such/file", 2, "does not exist"),
        ("rerun", 2, "expected a job id, or a filter"),
        ("submit /no/such/file", 2, "No such file"),
        ("client add a/b", 2, "expected no '/'"),
        ("client add a --api-key é", 2, "--api-key"),
        ("demo --film /no/such/film", 2, "does not exist"),
        ("jobs --url http://127.0.0.1:1", 1, "Error: no engine answers at http://127.0.0.1:1"),
        ("jobs --url nonsense", 1, "Error: no engine answers at nonsense"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments, code, told):
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code == code
    assert told in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


NOBODY = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("variables", "url", "code", "told"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:1"}, NOBODY, 1, "no engine answers at"),
        ({"NO_PROXY": "[::1]"}, NOBODY, 1, "no engine answers at"),
        ({"SSL_CERT_FILE": "/nonexistent"}, NOBODY, 1, "no engine answers at"),
        ({"TASKENGINE_CLIENT": "Zoë"}, NOBODY, 1, "no engine answers at"),
        ({"TASKENGINE_API_KEY": "s3cret\n"}, NOBODY, 1, "no engine answers at"),
        ({"ALL_PROXY": "socks5://127.0.0.1:1"}, "http://a.test", 2, "ALL_PROXY, NO_PROXY: Using"),
        ({"NO_PROXY": "[::1]"}, "http://a.test", 2, "ALL_PROXY, NO_PROXY: Invalid port"),
        ({"SSL_CERT_FILE": "/nonexistent"}, "https://a.test", 2, "SSL_CERT_FILE or SSL_CERT_DIR: "),
        ({"TASKENGINE_API_KEY": "s3\ncret"}, NOBODY, 2, "TASKENGINE_API_KEY or --api-key: expec"),
        ({"TASKENGINE_CLIENT": "a\nb"}, NOBODY, 2, "TASKENGINE_CLIENT or --client: expected 1 to"),
        ({"TASKENGINE_APIKEY": "s3cret"}, NOBODY, 2, "is TASKENGINE_API_KEY meant?"),
    ],
)
def test_the_environment_of_a_client(variables, url, code, told):
    result = CliRunner(env=variables).invoke(main, ["jobs", "--url", url])
    assert result.exit_code == code
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert "cret" not in result.stderr


async def test_certificates_that_are_missing_are_named(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    with pytest.raises(Misconfigured, match="SSL_CERT_FILE=/nonexistent"):
        async with open_outbound([]):
            pass


async def test_an_engine_that_is_away_is_told_once(autojump_clock):
    told = []

    async def away():
        await trio.lowlevel.checkpoint()
        if trio.current_time() < 30:
            raise Unreachable("no engine answers")
        return "answer"

    assert await patiently(away, told.append) == "answer"
    assert [str(error) for error in told] == ["no engine answers"]


def test_actions_are_listed_and_shown():
    runner = CliRunner()
    listed = json.loads(runner.invoke(main, ["actions", "list", "--json"]).output)
    assert {"core.noop", "http.request", "process.run"} <= {action["name"] for action in listed}
    table = runner.invoke(main, ["actions", "list"]).output
    assert "seconds" in next(line for line in table.splitlines() if line.startswith("core.sleep"))
    shown = runner.invoke(main, ["actions", "show", "core.fail"]).output
    assert shown.startswith("core.fail: Fail that many attempts")
    rows = [line.split("  ") for line in shown.splitlines()[2:]]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["argument", "type", "default"],
        ["message", "string", '"failed as asked"'],
        ["times", "integer or null", "null"],
    ]


def test_workflow_files_are_checked_by_themselves_and_by_folder(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("workflow: good\ntasks:\n  - {name: a, action: core.noop}\n")
    bad.write_text("workflow: bad\ntasks:\n  - {name: a, action: core.nop}\n")
    runner = CliRunner()
    assert runner.invoke(main, ["workflows", "check", str(good)]).stdout == (
        "1 workflow, no problem\n"
    )
    wrong = runner.invoke(main, ["workflows", "check", str(good), str(bad), str(tmp_path)])
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr.splitlines() == [
        f"{tmp_path}:1: holds neither common/*.yaml nor clients/<client>/*.yaml",
        f"{bad}:1: not read: expected in common/*.yaml or clients/<client>/*.yaml",
        f"{bad}:3: there is no action 'core.nop'; is 'core.noop' meant?",
        f"{good}:1: not read: expected in common/*.yaml or clients/<client>/*.yaml",
    ]


def test_a_database_that_is_away_is_told(monkeypatch):
    monkeypatch.setattr(database, "START_DEADLINE", 0.0)
    away = "postgresql://127.0.0.1:1/x"
    result = CliRunner().invoke(main, ["client", "list", "--database-url", away])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(
        "Error: no database after 0 s: ConnectionRefusedError"
    )


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1/", "redis://127.0.0.1:x/"])
async def test_what_is_no_redis_is_told(url):
    with pytest.raises(BadInput, match="redis_url: "):
        async with open_redis(url):
            pass


def test_a_key_comes_from_standard_input_too_and_is_no_single_letter(tmp_path):
    runner = CliRunner()
    for key in ("z", "12345"):
        told = runner.invoke(main, ["client", "add", "y", "--api-key", key])
        assert told.exit_code == 2
        assert "expected 6 characters or more" in told.stderr
    given = CliRunner().invoke(
        main, ["client", "add", "y", "--api-key", "-", "--data-dir", str(tmp_path)], input="short\n"
    )
    assert (given.exit_code, "expected 6 characters" in given.stderr) == (2, True)
    made = ["client", "add", "y", "--api-key", "-", "--data-dir", str(tmp_path / "var")]
    assert runner.invoke(main, made, input="a-key-of-some-length\n").exit_code == 0
