"""The commands, as operators call them: exit codes, what is printed, what is left behind."""

import json
import signal
import subprocess
from dataclasses import dataclass

import httpx
import pytest
import trio_asyncio
from click.testing import CliRunner

from taskengine.cli import main
from taskengine.store.postgres.queries import migrations
from tests.conftest import _execute, other_database
from tests.e2e.held import held, workflows_with_held
from tests.support.engines import TASKENGINE, environment, processes_of, serving, taskengine, until

KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
VERSION, _, _ = migrations()[-1]
UP_TO_DATE = "The database is up to date"
HTTP = {"trust_env": False, "timeout": 20}
FAIL = """
workflow: fail
tasks:
  - name: fail
    action: core.fail
    with: {message: "as asked"}
    retry: {limit: 0}
"""
BROKEN = "workflow: broken\ntasks:\n  - name: first\n    action: core.nop\n"


@dataclass
class Engine:
    """A running engine, and commands that talk to it."""

    folder: object
    url: str

    def access(self, key=KEY):
        return {"url": self.url, "client": "acme", "api_key": key}

    def job(self, *arguments, key=KEY, stdin=None):
        """A command that goes through the REST API."""
        return _done(self.access(key), *arguments, stdin=stdin)

    def submit(self, workflow, *arguments, **parameters):
        body = {"job": {"workflow": workflow}, "parameters": parameters}
        return self.job("submit", "-", *arguments, stdin=json.dumps(body))

    @property
    def settings(self):
        return {"data_dir": self.folder / "var", "config": self.folder / "te.toml"}

    def data(self, *arguments):
        """A command that goes to the database."""
        return _done(self.settings, *arguments)


def _done(settings, *arguments, stdin=None):
    """A command that has ended. It ran in this process: only what a process of its own is asked
    about is worth the second that its start takes."""
    variables = {f"TASKENGINE_{name.upper()}": str(value) for name, value in settings.items()}
    return CliRunner(env=variables).invoke(main, arguments, input=stdin)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """One engine for all tests; it ends with 0 at SIGTERM and leaves no process behind."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "te.toml").touch()
    workflows = workflows_with_held(folder)
    (workflows / "common" / "fail.yaml").write_text(FAIL)
    given = {"config": folder / "te.toml", "workflows": workflows}
    given |= {"data_dir": folder / "var", "bootstrap_client": f"acme:{KEY}"}
    with serving(log=folder / "serve.log", **given) as (process, url):
        yield Engine(folder, url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    until(lambda: not processes_of(folder / "var"))
    assert "Traceback" not in (folder / "serve.log").read_text()


def test_a_job_by_plain_http(engine):
    headers = {"client": "acme", "api-key": KEY}
    with httpx.Client(base_url=engine.url, headers=headers, **HTTP) as http:
        assert http.get("/").json() == {"result": "alive"}
        answer = http.post("/job", json={"job": {"workflow": "noop"}, "parameters": {}})
        assert answer.json()["result"] == "accepted"
        job = f"/jobs/{answer.json()['id']}"
        until(lambda: http.get(job).json()["queue_state"] == "completed")


def test_a_watched_job_ends_with_its_outcome(engine):
    command, variables = [*TASKENGINE, "submit", "-", "--watch"], environment(**engine.access())
    pipes = {"stdin": -1, "stdout": -1, "stderr": -1, "text": True}
    with subprocess.Popen(command, env=variables, **pipes) as watching, held() as hold:
        json.dump({"job": {"workflow": "held"}, "parameters": {"url": hold.url}}, watching.stdin)
        watching.stdin.close()
        assert watching.stderr.readline().split() == ["held", "working"]
        hold.let_go()
        assert watching.stderr.readline().split()[:2] == ["held", "completed"]
        told = watching.stdout.read()
        assert watching.wait(60) == 0
    assert "accepted" in told
    assert told.endswith("completed\n")

    done = engine.submit("fail", "--watch", "--json")
    job = json.loads(done.stdout)
    assert (done.exit_code, job["failed"]) == (1, True)
    assert "as asked" in done.stderr


def test_a_refused_job_is_told(engine):
    done = engine.submit("nope")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: job ")
    assert 'there is no workflow "nope"; there are ' in done.stderr
    assert done.stderr.endswith(" (400)\n")
    done = engine.job("submit", "-", stdin='{"job": {"workflow": "noop"}}', key="wrong")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "(401)" in done.stderr


def test_what_was_not_looked_at_is_told(engine):
    done = engine.submit("sleep", "--watch", seconds=0, secnds=3)
    assert done.exit_code == 0
    told = "warning: Parameter 'secnds' is unknown to the workflow sleep; is 'seconds' meant?\n"
    assert done.stderr.startswith(told)
    quiet = engine.submit("noop", "--json")
    assert (quiet.stderr, json.loads(quiet.stdout)["result"]) == ("", "accepted")


def test_logs_follow_a_job_to_its_end_and_jobs_lists_it(engine):
    submitted = json.loads(engine.submit("sleep", "--json", seconds=0.5).stdout)
    number = str(submitted["id"])
    followed = engine.job("logs", number, "--follow")
    assert followed.exit_code == 0
    assert "Task 'sleep' started" in followed.stdout
    assert followed.stdout.endswith(": job has completed successfully\n")
    assert engine.job("logs", number).stdout == followed.stdout
    lines = json.loads(engine.job("logs", number, "--json", "--all").stdout)
    assert lines[0]["progname"] == "api"

    listed = json.loads(engine.job("jobs", "--json", "--search", number).stdout)
    assert [job["id"] for job in listed] == [int(number)]
    table = engine.job("jobs", "--state", "completed", "--of", "acme").stdout.splitlines()
    assert table[0].split() == ["job", "client", "workflow", "state", "priority", "created"]
    assert number in [line.split()[0] for line in table]

    missing = engine.job("logs", "999999")
    assert (missing.exit_code, missing.stderr) == (1, "Error: there is no job 999999 (404)\n")


def test_jobs_are_paused_resumed_stopped_and_run_again(engine):
    number = str(json.loads(engine.submit("sleep", "--json", seconds=3600).stdout)["id"])
    paused = engine.job("pause", number)
    assert (paused.exit_code, paused.stdout) == (0, f"job {number} paused\n")
    assert engine.job("resume", number).stdout == f"job {number} resumed\n"
    stopped = json.loads(engine.job("break", number, "--json").stdout)
    assert stopped == {"id": number, "result": "Performed updates: queue_state"}
    again = engine.job("break", number)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr.startswith(f"Error: job {number}: ")
    assert again.stderr.count("\n") == 1

    done = str(json.loads(engine.submit("noop", "--json", "--watch").stdout)["id"])
    new = json.loads(engine.job("rerun", done, "--json").stdout)
    assert new["result"] == "accepted"
    assert int(new["id"]) > int(done)
    again = engine.job("rerun", new["id"], "--definition", "current")
    assert again.stdout.endswith(f"accepted, a rerun of job {new['id']}\n")
    told = engine.job("rerun", done).stdout
    assert told == f"job {new['id']} accepted, a rerun of job {done}\n"
    missing = engine.job("rerun", "999999")
    assert (missing.exit_code, missing.stderr) == (1, "Error: there is no job 999999 (404)\n")


def test_clients_are_made_shown_and_removed(engine):
    added = taskengine("client", "add", "zoo", **engine.settings)
    assert added.returncode == 0
    assert added.stdout.startswith("client zoo added\napi-key: ")  # acme was first, and is admin
    headers = {"client": "zoo", "api-key": added.stdout.split()[-1]}
    assert httpx.get(f"{engine.url}/health", headers=headers, **HTTP).status_code == 200

    again = engine.data("client", "add", "zoo")
    assert (again.exit_code, again.stderr) == (1, "Error: there is a client zoo already\n")

    secret = "whsec_c2VjcmV0LXNlY3JldA=="
    changes = [f"callback.secret={secret}", "callback.headers.X-Pass=12345678", "storage=local"]
    done = engine.data("client", "set", "zoo", *changes, "roots.output_root=/vod")
    assert done.exit_code == 0
    assert secret not in done.stdout
    assert "12345678" not in done.stdout

    listed = json.loads(engine.data("client", "list", "--json").stdout)
    assert [(c["name"], c["admin"]) for c in listed] == [("acme", True), ("zoo", False)]
    options = listed[1]["options"]
    assert options["roots"] == {
        "input_root": str(engine.folder / "var" / "input" / "zoo"),
        "output_root": "/vod",
    }
    assert options["storage"] == "local"
    assert options["callback"]["headers"] == {"X-Pass": "********"}

    broken = engine.data("client", "set", "zoo", "callback.secret=whsec_!")
    assert (broken.exit_code, broken.stderr.count("\n")) == (2, 1)

    nightly = {"name": "zoo-nightly", "cron": "0 3 * * *", "job": {"workflow": "noop"}}
    made = {**nightly, "parameters": {}}
    answer = httpx.post(f"{engine.url}/schedules", headers=headers, json=made, **HTTP)
    assert answer.status_code == 200
    removed = engine.data("client", "remove", "zoo")
    assert removed.stdout == "client zoo removed\nschedule zoo-nightly removed\n"
    assert httpx.get(f"{engine.url}/health", headers=headers, **HTTP).status_code == 401
    assert engine.data("client", "remove", "zoo").stderr == "Error: there is no client zoo\n"


def test_a_workflow_is_paused_and_goes_on_where_it_was(engine):
    paused = engine.job("pauses", "on", "workflow", "noop", "--until", "2131-02-01")
    assert paused.stdout == "workflow noop is paused\n"
    [shown] = json.loads(engine.job("pauses", "--json").stdout)
    assert (shown["kind"], shown["by"], shown["until"][:10]) == ("workflow", "acme", "2131-02-01")
    job = engine.submit("noop").stdout.split()[1]
    told = f"job {job} is paused"
    until(lambda: engine.job("explain", job).stdout.startswith(told))
    assert "The workflow noop is paused until 2131-02-01" in engine.job("explain", job).stdout
    assert engine.job("pauses", "off", "workflow", "noop").exit_code == 0
    until(
        lambda: json.loads(engine.job("show", job, "--json").stdout)["queue_state"] == "completed"
    )
    assert engine.job("pauses", "off", "workflow", "noop").exit_code == 1


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("api-key=new", "`taskengine client key NAME` makes a new one"),
        ("admin=false", "`taskengine client set NAME --admin` or `--no-admin`"),
        ("max_jobs=3", "POST /settings"),
        ("storage=Lokal", "storage: expected one of local, S3, azure_blob, got 'Lokal'"),
        ("foo=bar", "foo: there is no such option; there are roots.KEY, roots.STORAGE.KEY"),
        ("read_only=maybe", "read_only: expected true or false, got 'maybe'"),
        ("callback.heders.X=1", "is 'callback.headers' meant?"),
        ("roots=/vod", "roots: expected a key below it"),
        ("roots.a.b=/vod", "roots.a: expected a folder, or keys below one of S3, azure_blob"),
        ("roots.S3.a.b=vod", "roots.S3: expected a key below it, as in roots.S3.KEY=FOLDER"),
        ("callback.secret", "callback.secret: expected KEY=VALUE"),
    ],
)
def test_an_option_without_effect_is_refused(engine, option, told):
    before = engine.data("client", "list", "--json").stdout
    done = engine.data("client", "set", "acme", "callback.verify=true", option)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert engine.data("client", "list", "--json").stdout == before


def test_a_key_is_replaced_and_the_one_before_opens_for_a_while(engine):
    """Nobody is locked out meanwhile, and nothing of the client is lost."""

    def status(key):
        headers = {"client": "keys", "api-key": key}
        return httpx.get(f"{engine.url}/health", headers=headers, **HTTP).status_code

    first = engine.data("client", "add", "keys").stdout.split()[-1]
    done = engine.data("client", "key", "keys")
    second = done.stdout.splitlines()[1].removeprefix("api-key: ")
    assert "the key before opens until 20" in done.stdout
    assert (status(first), status(second), status("other")) == (200, 200, 401)

    done = engine.data("client", "key", "keys", "--api-key", "third-key", "--grace", "0")
    assert done.stdout == "client keys has another key\n"
    assert [status(key) for key in (first, second, "third-key")] == [401, 401, 200]
    done = engine.data("client", "set", "keys", "--api-key", "fourth-key", "--grace", "60")
    assert done.exit_code == 0
    assert "fourth" not in done.stdout
    assert [status(key) for key in ("fourth-key", "third-key", second)] == [200, 200, 401]
    assert engine.data("client", "key", "nobody").stderr == "Error: there is no client nobody\n"


def test_the_last_admin_stays(engine):
    engine.data("client", "add", "plain")
    for command in (["remove", "acme"], ["set", "acme", "--no-admin"]):
        refused = engine.data("client", *command)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "acme is the last admin: make another one first, with `taskengine" in refused.stderr
    assert engine.data("client", "set", "plain", "--admin").exit_code == 0
    assert engine.data("client", "set", "acme", "--no-admin").exit_code == 0
    assert engine.data("client", "remove", "plain").exit_code == 1
    assert engine.data("client", "remove", "acme", "--force").exit_code == 0
    assert engine.data("client", "add", "acme", "--api-key", KEY).stdout == "client acme added\n"
    assert engine.data("client", "set", "acme", "--admin").exit_code == 0
    assert engine.data("client", "remove", "plain").exit_code == 0


@pytest.mark.parametrize("command", [["list"], ["set", "acme", "--admin"], ["key", "acme"]])
def test_a_command_that_makes_no_client_makes_no_database(tmp_path, command):
    folder = tmp_path / "elsewhere"
    variables = {"TASKENGINE_DATA_DIR": str(folder)}
    done = CliRunner(env=variables).invoke(main, ["client", *command])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: there is no database in {folder}: name its folder with")
    assert not folder.exists()


def test_a_database_without_a_schema_is_told_not_changed(postgres_server):
    name = "te_empty"
    trio_asyncio.run(_execute, postgres_server, f"create database {name}")
    url = ["--database-url", other_database(postgres_server, name)]
    runner = CliRunner()
    for _ in range(2):
        listed = runner.invoke(main, ["client", "list", *url])
        assert (listed.exit_code, listed.stdout) == (2, "")
        assert listed.stderr.endswith("the database is not up to date: `taskengine db upgrade`\n")
    told = [runner.invoke(main, ["db", "upgrade", *url]).stdout for _ in range(2)]
    made, kept = (f"{text}: version {VERSION}.\n" for text in ("The schema is made", UP_TO_DATE))
    assert told == [made, kept]
    assert runner.invoke(main, ["client", "list", *url]).exit_code == 0
    trio_asyncio.run(_execute, postgres_server, f"drop database {name}")


def test_the_database_is_upgraded_beside_a_running_engine(engine):
    done = engine.data("db", "upgrade")
    assert (done.exit_code, done.stdout) == (0, f"{UP_TO_DATE}: version {VERSION}.\n")


def test_workflows_are_listed_and_shown():
    runner = CliRunner()
    listed = json.loads(runner.invoke(main, ["workflows", "list", "--json"]).output)
    assert {"noop", "vodstream", "drmswitch"} <= {workflow["name"] for workflow in listed}
    shown = runner.invoke(main, ["workflows", "show", "drmswitch"]).output
    assert "rename_manifests" in shown
    assert "required" in shown
    assert runner.invoke(main, ["workflows", "show", "nope"]).exit_code == 1


def test_workflow_files_are_checked(tmp_path):
    runner = CliRunner()
    good = runner.invoke(main, ["workflows", "check"])
    assert (good.exit_code, good.output.endswith("no problem\n")) == (0, True)

    file = tmp_path / "common" / "broken.yaml"
    file.parent.mkdir()
    empty = runner.invoke(main, ["workflows", "check", str(tmp_path)])
    assert (empty.exit_code, "common/*.yaml" in empty.stderr) == (1, True)
    file.write_text(BROKEN)
    bad = runner.invoke(main, ["workflows", "check", str(tmp_path)])
    assert bad.exit_code == 1
    assert bad.stderr.startswith(f"{file}:4: there is no action 'core.nop'")
    as_json = runner.invoke(main, ["workflows", "check", "--json", str(tmp_path)])
    assert json.loads(as_json.stdout)[0]["line"] == 4


def test_a_second_instance_serves_drains_and_ends(engine):
    with serving(log=engine.folder / "second.log", **engine.settings) as (process, url):
        body = json.dumps({"job": {"workflow": "noop"}, "parameters": {}})
        access = ["--url", url, "--client", "acme", "--api-key", KEY]
        done = taskengine("submit", "-", "--watch", *access, stdin=body)
        assert done.returncode == 0
        taken = taskengine("serve", "--bind", url.removeprefix("http://"), **engine.settings)
        assert taken.returncode == 1
        assert "Error: cannot listen on 127.0.0.1:" in taken.stderr.splitlines()[-1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert httpx.get(engine.url, **HTTP).status_code == 200
