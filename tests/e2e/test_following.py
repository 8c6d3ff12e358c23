"""`taskengine logs --follow` shows each line once, as it comes, and goes on after a restart."""

import json
import signal
import socket
import subprocess
from contextlib import contextmanager

from tests.e2e.held import held, workflows_with_held
from tests.support.engines import TASKENGINE, environment, serving, taskengine

KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"


@contextmanager
def kept_port():
    """A port that engines may bind one after the other, and nobody else gets meanwhile."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))  # and does not listen
        yield holder.getsockname()[1]


def test_a_restart_of_the_engine_is_survived(tmp_path):
    (tmp_path / "te.toml").touch()
    given = {"config": tmp_path / "te.toml", "data_dir": tmp_path / "var", "drain": 0}
    given |= {"bootstrap_client": f"acme:{KEY}", "workflows": workflows_with_held(tmp_path)}
    with kept_port() as port, held() as hold:
        bind = ["--bind", f"127.0.0.1:{port}"]
        with serving(*bind, log=tmp_path / "one.log", **given) as (process, url):
            access = {"url": url, "client": "acme", "api_key": KEY}
            body = json.dumps({"job": {"workflow": "held"}, "parameters": {"url": hold.url}})
            made = taskengine("submit", "-", "--json", stdin=body, **access)
            number = str(json.loads(made.stdout)["id"])
            follow = [*TASKENGINE, "logs", number, "--follow"]
            follower = subprocess.Popen(follow, env=environment(**access), stdout=-1, text=True)
            first = until_started(follower)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        with serving(*bind, log=tmp_path / "two.log", **given):
            again = until_started(follower)
            hold.let_go()
            rest, _ = follower.communicate(timeout=60)
            assert follower.returncode == 0
            shown = taskengine("logs", number, **access).stdout
    assert first + again + rest == shown
    assert rest.endswith(": job has completed successfully\n")


def until_started(follower):
    """What it shows up to the start of an attempt, while the attempt goes on."""
    shown = ""
    while "started" not in shown:
        line = follower.stdout.readline()
        assert line, shown
        shown += line
    return shown
