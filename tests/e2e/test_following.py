"""`taskengine logs --follow` shows each line once, soon, and goes on after a restart."""

import json
import signal
import subprocess
import time

from tests.e2e.running import TASKENGINE, environment, serving, taskengine

KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"


def test_a_restart_of_the_engine_is_survived(tmp_path):
    (tmp_path / "te.toml").touch()
    given = {"config": tmp_path / "te.toml", "data_dir": tmp_path / "var", "drain": 0}
    given |= {"bootstrap_client": f"acme:{KEY}"}
    body = json.dumps({"job": {"workflow": "sleep"}, "parameters": {"seconds": 4}})
    with serving(log=tmp_path / "one.log", **given) as (process, url):
        access = {"url": url, "client": "acme", "api_key": KEY}
        made = taskengine("submit", "-", "--json", stdin=body, **access)
        number = str(json.loads(made.stdout)["id"])
        follow = [*TASKENGINE, "logs", number, "--follow"]
        follower = subprocess.Popen(follow, env=environment(**access), stdout=-1, text=True)
        first = follower.stdout.readline()
        while "started" not in (line := follower.stdout.readline()):
            first += line
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    bind = ["--bind", url.removeprefix("http://")]
    with serving(*bind, log=tmp_path / "two.log", **given):
        rest = follower.stdout.read()
        ended = time.monotonic()
        assert follower.wait(5) == 0
        assert time.monotonic() - ended < 2
        shown = taskengine("logs", number, **access).stdout
    assert first + line + rest == shown
    assert "job has completed successfully" in rest
    follower.stdout.close()
