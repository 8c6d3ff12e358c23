"""GET /events on real sockets: two instances, readers that stop reading, and SIGTERM."""

import json
import signal
import socket
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.engines import serving

KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
HEADERS = {"client": "acme", "api-key": KEY}


@pytest.fixture
def engine(tmp_path):
    """The settings of one engine after the other, or beside it: they share their database."""
    (tmp_path / "te.toml").touch()
    given = {"config": tmp_path / "te.toml", "data_dir": tmp_path / "var", "drain": 1}
    given |= {"bootstrap_client": f"acme:{KEY}"}

    @contextmanager
    def run(name):
        with serving(log=tmp_path / f"{name}.log", **given) as (process, url):
            yield process, url
        assert "Traceback" not in (tmp_path / f"{name}.log").read_text()

    return run


def submit(url, workflow="noop", **parameters):
    body = {"job": {"workflow": workflow}, "parameters": parameters}
    answer = httpx.post(f"{url}/job", json=body, headers=HEADERS, trust_env=False, timeout=20)
    return int(answer.json()["id"])


@contextmanager
def events(url, last_id=""):
    """The fields of each part, as they come."""
    headers = HEADERS | ({"Last-Event-ID": last_id} if last_id else {})
    client = httpx.Client(headers=headers, trust_env=False, timeout=20)
    with client, client.stream("GET", f"{url}/events") as answer:
        yield parts(answer.iter_lines())


def parts(lines):
    part = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            part[name] = value
            continue
        yield part
        part = {}


def jobs(found, job_id, state, least=0):
    """The events of a job, up to one with a state and some progress; and the id behind them."""
    told, last = [], ""
    for part in found:
        last = part.get("id", last)
        job = json.loads(part["data"]) if "data" in part else {}
        if job.get("id") == job_id:
            told.append((job["queue_state"], job["progress"]))
        if told and told[-1][0] == state and told[-1][1] >= least:
            return told, last
    raise AssertionError(f"the stream has ended after {told}")


def test_what_happens_on_one_instance_is_told_by_the_other(engine):
    with engine("one") as (first, one), engine("two") as (second, two):
        with events(two) as found:
            assert "id" in [*next(found), *next(found)]
            long = submit(one, "sleep", seconds=100)
            told, _ = jobs(found, long, "started", least=1)
            assert told[-1][1] < 100
            short = submit(one)
            told, last = jobs(found, short, "completed", least=100)
        missed = submit(one)
        with events(one, last) as found:
            jobs(found, missed, "completed")
            for process in (first, second):
                process.send_signal(signal.SIGTERM)
            data = [json.loads(part["data"]) for part in found if "data" in part]  # it ends
            assert missed not in [job["id"] for job in data]
        assert [process.wait(15) for process in (first, second)] == [0, 0]


def test_sigterm_does_not_wait_for_who_does_not_read(engine):
    """Neither for a stream of events nor for a log, of which the server has more to send than the
    kernel takes."""
    with engine("one") as (process, url):
        address = urlsplit(url)
        with httpx.Client(base_url=url, headers=HEADERS, trust_env=False, timeout=20) as http:
            job_id = submit(url, "sleep", seconds=3600)
            for _ in range(10):
                body = {"priority": 3, "note": "x" * 900_000}
                assert http.patch(f"/jobs/{job_id}", json=body).status_code == 200
        with socket.socket() as idle, socket.socket() as stream:
            for one, path in ((idle, f"/logs/{job_id}"), (stream, "/events")):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                one.connect((address.hostname, address.port))
                head = f"GET {path} HTTP/1.1\r\nHost: a\r\nclient: acme\r\napi-key: {KEY}\r\n"
                one.sendall(f"{head}\r\n".encode())
                assert one.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0  # by itself: it is another number if it had to be killed
